// SystemState as entries of a checkpoint's sections 10 to 13 (docs/journal.md), and back.
#pragma once

#include <functional>
#include <string_view>

#include "store/journal/checkpoint_format.hh"
#include "store/system_state.hh"

namespace vxs::store {

using EntrySink = std::function<void(Section section, std::string_view entry)>;

/// Gives out every entry, section by section; a connection comes before its watches, a domain
/// before its quotas. An empty state has none.
void write_system_entries(const SystemState& state, const EntrySink& sink);

/// Collects the blocks of one file.
class SystemLoader {
 public:
  [[nodiscard]] static bool knows(std::uint16_t section) noexcept;
  /// REQUIRES knows(section). False for contents that no writer writes.
  [[nodiscard]] bool block(std::uint16_t section, std::string_view payload);
  [[nodiscard]] SystemState& state() noexcept { return state_; }

 private:
  [[nodiscard]] bool connection(EntryReader& in);
  [[nodiscard]] bool watch(EntryReader& in);
  [[nodiscard]] bool domain(EntryReader& in);
  [[nodiscard]] bool quota(EntryReader& in);

  SystemState state_;
};

}  // namespace vxs::store
