#include <limits>

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
  const Domains& domains = server.domains();
  if (domains.permanent(*domid)) return tl::unexpected(Error::kInval);  // F12, L16
  if (!domains.introduced(*domid)) return tl::unexpected(Error::kNoent);
  return domid;
}

/// The answer to a request that changes the state beside the tree: it waits for what it recorded,
/// also where that was only a part.
Reply changed(const tl::expected<void, Error>& done) {
  Reply reply = done ? reply_data() : reply_error(done.error());
  reply.wrote = true;
  reply.from_head = true;
  return reply;
}

/// The answer to a question about that state.
Reply told(Reply reply) {
  reply.from_head = true;
  return reply;
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
  // Both are read leniently; the frame's number is only kept (A22).
  const std::int64_t gfn = protocol::parse_lenient(strings.at[1]);
  const std::int64_t port = protocol::parse_lenient(strings.at[2]);
  if (port <= 0 || port > std::numeric_limits<Port>::max()) return reply_error(Error::kInval);
  return changed(server.lifecycle().introduce(*domid, static_cast<std::uint64_t>(gfn),
                                              static_cast<Port>(port)));
}

Reply handle_release(Server& server, const Request& request) {
  const auto domid = introduced_guest(server, request);
  return domid ? changed(server.lifecycle().release(*domid)) : reply_error(domid.error());
}

Reply handle_resume(Server& server, const Request& request) {
  const auto domid = introduced_guest(server, request);
  return domid ? changed(server.lifecycle().resume(*domid)) : reply_error(domid.error());
}

Reply handle_set_target(Server& server, const Request& request) {
  const auto strings = protocol::split_strings<2>(request.payload);
  if (strings.count < 2) return reply_error(Error::kInval);
  const auto domid = protocol::parse_domid(strings.at[0], EmptyDomId::kReject);
  if (!domid) return reply_error(domid.error());
  const auto target = protocol::parse_domid(strings.at[1], EmptyDomId::kReject);
  if (!target) return reply_error(target.error());
  return changed(server.lifecycle().set_target(*domid, *target));
}

Reply handle_is_domain_introduced(Server& server, const Request& request) {
  const auto domid = one_domid(request, EmptyDomId::kReject);
  if (!domid) return reply_error(domid.error());
  const bool introduced = *domid == kDomIdSelf || server.domains().introduced(*domid);
  return told(text_reply(server, introduced ? "T" : "F"));
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
  const auto domain = server.lifecycle().know(*domid, Lifecycle::Check::kNo);
  if (!domain) return reply_error(domain.error());
  return told(text_reply(server, std::to_string((*domain)->features())));
}

Reply handle_set_feature(Server& server, const Request& request) {
  const auto strings = protocol::split_strings<2>(request.payload);
  if (strings.count != 2) return reply_error(Error::kInval);
  const auto domid = protocol::parse_domid(strings.at[0], EmptyDomId::kReject);
  if (!domid) return reply_error(domid.error());
  const auto value = protocol::parse_decimal(strings.at[1], ~std::uint32_t{0});
  if (!value) return reply_error(Error::kInval);
  const auto domain = server.lifecycle().know(*domid, Lifecycle::Check::kYes);
  if (!domain) return told(reply_error(domain.error()));
  if (server.domains().introduced(*domid)) return told(reply_error(Error::kBusy));
  if ((*value & ~std::uint64_t{kOfferedFeatures}) != 0) return told(reply_error(Error::kInval));
  return changed(server.lifecycle().set_features(**domain, static_cast<std::uint32_t>(*value)));
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
    const auto domain = server.lifecycle().know(*domid, Lifecycle::Check::kNo);
    if (!domain) return reply_error(domain.error());
    settings = &(*domain)->quotas;
  }
  const auto quota = config::quota_from_name(strings.at[strings.count - 1]);
  if (!quota) return reply_error(Error::kInval);
  return told(text_reply(server, std::to_string((*settings)[*quota])));
}

Reply handle_set_quota(Server& server, const Request& request) {
  const auto strings = protocol::split_strings<3>(request.payload);
  if (strings.count < 2 || strings.count > 3) return reply_error(Error::kInval);
  Domain* domain = nullptr;
  if (strings.count == 3) {
    const auto domid = protocol::parse_domid(strings.at[0], EmptyDomId::kReject);
    if (!domid) return reply_error(domid.error());
    const auto known = server.lifecycle().know(*domid, Lifecycle::Check::kNo);
    if (!known) return told(reply_error(known.error()));
    domain = *known;
  }
  const auto quota = config::quota_from_name(strings.at[strings.count - 2]);
  if (!quota) return told(reply_error(Error::kInval));
  const auto value = quota_value(strings.at[strings.count - 1]);
  if (!value) return told(reply_error(value.error()));
  const auto kept = server.lifecycle().set_quota(domain, *quota, *value);
  if (domain != nullptr) {
    server.accounts().limits_changed({domain->domid, domain->incarnation});
  }
  return changed(kept);
}

Reply handle_control(Server& server, const Request& request) {
  const Seq before = server.journal().last_seq();
  auto later = server.control().run(request.connection, request.header, request.payload);
  if (!later) return Reply{.data = {}, .sent = true};  // parked
  auto& result = *later;
  Reply reply = reply_error(result ? Error::kInval : result.error());
  if (result) {
    server.scratch() = std::move(*result);
    server.scratch().push_back('\0');
    reply = reply_data(server.scratch());
  }
  reply.wrote = server.journal().last_seq() != before;
  reply.from_head = reply.wrote;
  return reply;
}

}  // namespace vxs::daemon
