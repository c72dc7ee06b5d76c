// What a stream cannot carry, so that somebody can be told.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "protocol/ids.hh"

namespace vxs::store::migration {

struct Loss {
  enum class Kind : std::uint8_t {
    kWatchDepth,   ///< version 1: the watch fires at any depth
    kFeatures,     ///< version 1: what SET_FEATURE said of a domain
    kDomainQuota,  ///< version 1: a domain's own quota; written, but older daemons pass over it
    kGlobalQuota,  ///< version 1: the same of a global one
    kDomain,       ///< neither introduced nor owner of a node: what was set for it
    kWatch,        ///< a watch of a connection that does not go into the stream
  } kind = Kind::kWatchDepth;
  std::optional<DomId> domid{};  ///< nothing: no domain, or the socket of nobody knows whom
  ConnectionId connection = 0;   ///< 0: none
  std::string name{};            ///< the watch's path, the quota's name
  std::string token{};
  std::uint64_t number = 0;  ///< depth, features, quota
  friend bool operator==(const Loss&, const Loss&) = default;
};

/// One sentence: "domain 5, connection 7: …". What clients chose is escaped.
[[nodiscard]] std::string describe(const Loss& loss);
/// "watch-depth" and so on, for programs.
[[nodiscard]] std::string_view loss_name(Loss::Kind kind) noexcept;

}  // namespace vxs::store::migration
