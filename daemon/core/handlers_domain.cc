#include <fmt/format.h>

#include "daemon/core/handlers.hh"
#include "daemon/core/server.hh"
#include "protocol/arguments.hh"
#include "protocol/path.hh"

namespace vxs::daemon {
namespace {

using protocol::EmptyDomId;
using protocol::Error;

tl::expected<DomId, Error> one_domid(const Request& request, EmptyDomId empty) {
  const auto argument = protocol::one_argument(request.payload);
  if (!argument) return tl::unexpected(argument.error());
  return protocol::parse_domid(*argument, empty);
}

/// B15: the argument, then domains that are never released, then who is introduced.
tl::expected<DomId, Error> introduced_guest(Server& server, const Request& request) {
  const auto domid = one_domid(request, EmptyDomId::kReject);
  if (!domid) return domid;
  if (*domid == server.domains().store_domid()) return tl::unexpected(Error::kInval);
  if (!server.domains().introduced(*domid)) return tl::unexpected(Error::kNoent);
  return domid;
}

Reply text_reply(Server& server, std::string_view text) {
  server.scratch().assign(text);
  server.scratch().push_back('\0');
  return reply_data(server.scratch());
}

tl::expected<std::uint32_t, Error> quota_value(std::string_view text) {
  const auto value = protocol::parse_decimal(text, config::kQuotaValueMax);
  if (!value) return tl::unexpected(Error::kInval);
  return static_cast<std::uint32_t>(*value);
}

}  // namespace

Reply handle_introduce(Server& server, const Request& request) {
  const auto strings = protocol::split_strings<3>(request.payload);
  if (strings.count < 3) return reply_error(Error::kInval);
  const auto domid = protocol::parse_domid(strings.at[0], EmptyDomId::kReject);
  if (!domid) return reply_error(domid.error());
  // gfn and port are read leniently; what they name is the hypervisor's matter (B14).
  if (protocol::parse_lenient(strings.at[2]) <= 0) return reply_error(Error::kInval);
  server.observer().warn(fmt::format(
      "INTRODUCE of domain {} answered EINVAL: without Xen there is no ring to map (this daemon "
      "serves sockets only)",
      *domid));
  return reply_error(Error::kInval);
}

Reply handle_release(Server& server, const Request& request) {
  const auto domid = introduced_guest(server, request);
  return domid ? reply_data() : reply_error(domid.error());
}

Reply handle_resume(Server& server, const Request& request) {
  const auto domid = introduced_guest(server, request);
  return domid ? reply_data() : reply_error(domid.error());
}

Reply handle_set_target(Server& server, const Request& request) {
  const auto strings = protocol::split_strings<2>(request.payload);
  if (strings.count < 2) return reply_error(Error::kInval);
  for (const std::string_view text : strings.at) {
    const auto domid = protocol::parse_domid(text, EmptyDomId::kReject);
    if (!domid) return reply_error(domid.error());
  }
  for (const std::string_view text : strings.at) {
    const auto domid = protocol::parse_domid(text, EmptyDomId::kReject);
    if (!server.domains().introduced(*domid)) return reply_error(Error::kNoent);
  }
  // Only the store domain is introduced here, and it serves no target.
  return reply_error(Error::kInval);
}

Reply handle_is_domain_introduced(Server& server, const Request& request) {
  const auto domid = one_domid(request, EmptyDomId::kReject);
  if (!domid) return reply_error(domid.error());
  const bool introduced = *domid == kDomIdSelf || server.domains().introduced(*domid);
  return text_reply(server, introduced ? "T" : "F");
}

Reply handle_get_domain_path(Server& server, const Request& request) {
  const auto domid = one_domid(request, EmptyDomId::kIsZero);
  if (!domid) return reply_error(domid.error());
  server.scratch().clear();
  protocol::append_domain_path(*domid, server.scratch());
  server.scratch().push_back('\0');
  return reply_data(server.scratch());
}

Reply handle_get_feature(Server& server, const Request& request) {
  if (request.payload.empty()) {
    return text_reply(server, std::to_string(request.connection.peer().features));
  }
  if (!request.connection.caller().privileged) return reply_error(Error::kAcces);
  const auto strings = protocol::split_strings<1>(request.payload);
  if (strings.count != 1) return reply_error(Error::kInval);
  const auto domid = protocol::parse_domid(strings.at[0], EmptyDomId::kIsZero);
  if (!domid) return reply_error(domid.error());
  const DomainRecord* record = server.domains().record(*domid);
  if (record == nullptr) return reply_error(Error::kNoent);
  return text_reply(server, std::to_string(record->features));
}

Reply handle_set_feature(Server& server, const Request& request) {
  const auto strings = protocol::split_strings<2>(request.payload);
  if (strings.count != 2) return reply_error(Error::kInval);
  const auto domid = protocol::parse_domid(strings.at[0], EmptyDomId::kReject);
  if (!domid) return reply_error(domid.error());
  const auto value = protocol::parse_decimal(strings.at[1], ~std::uint32_t{0});
  if (!value) return reply_error(Error::kInval);
  DomainRecord* record = server.domains().record(*domid);
  if (record == nullptr) return reply_error(Error::kNoent);
  if (server.domains().introduced(*domid)) return reply_error(Error::kBusy);
  if ((*value & ~std::uint64_t{kOfferedFeatures}) != 0) return reply_error(Error::kInval);
  record->features = static_cast<std::uint32_t>(*value);
  return reply_data();
}

Reply handle_get_quota(Server& server, const Request& request) {
  if (request.payload.empty()) {
    std::string names;
    for (const auto& info : config::quota_infos()) {
      if (!names.empty()) names.push_back(' ');
      names.append(info.name);
    }
    return text_reply(server, names);
  }
  const auto strings = protocol::split_strings<2>(request.payload);
  if (strings.count < 1 || strings.count > 2) return reply_error(Error::kInval);
  const config::QuotaSettings* settings = &server.domains().globals();
  if (strings.count == 2) {
    const auto domid = protocol::parse_domid(strings.at[0], EmptyDomId::kReject);
    if (!domid) return reply_error(domid.error());
    const DomainRecord* record = server.domains().record(*domid);
    if (record == nullptr) return reply_error(Error::kNoent);
    settings = &record->quotas;
  }
  const auto quota = config::quota_from_name(strings.at[strings.count - 1]);
  if (!quota) return reply_error(Error::kInval);
  return text_reply(server, std::to_string((*settings)[*quota]));
}

Reply handle_set_quota(Server& server, const Request& request) {
  const auto strings = protocol::split_strings<3>(request.payload);
  if (strings.count < 2 || strings.count > 3) return reply_error(Error::kInval);
  config::QuotaSettings* settings = &server.domains().globals();
  if (strings.count == 3) {
    const auto domid = protocol::parse_domid(strings.at[0], EmptyDomId::kReject);
    if (!domid) return reply_error(domid.error());
    DomainRecord* record = server.domains().record(*domid);
    if (record == nullptr) return reply_error(Error::kNoent);
    settings = &record->quotas;
  }
  const auto quota = config::quota_from_name(strings.at[strings.count - 2]);
  if (!quota) return reply_error(Error::kInval);
  const auto value = quota_value(strings.at[strings.count - 1]);
  if (!value) return reply_error(value.error());
  (*settings)[*quota] = *value;
  return reply_data();
}

Reply handle_control(Server& server, const Request& request) {
  auto result = server.control().run(request.payload);
  if (!result) return reply_error(result.error());
  server.scratch() = std::move(*result);
  server.scratch().push_back('\0');
  return reply_data(server.scratch());
}

}  // namespace vxs::daemon
