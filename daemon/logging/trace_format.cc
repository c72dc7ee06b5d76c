#include "daemon/logging/trace_format.hh"

#include <fmt/format.h>

#include "protocol/escape.hh"

namespace vxs::logging {
namespace {

std::string_view direction_name(TraceDirection direction) noexcept {
  switch (direction) {
    case TraceDirection::kIn:
      return "IN";
    case TraceDirection::kOut:
      return "OUT";
    case TraceDirection::kOutStart:
      return "OUT(START)";
    case TraceDirection::kOutEnd:
      return "OUT(END)";
    case TraceDirection::kOutError:
      return "OUT(ERR)";
  }
  return "OUT";
}

void append_payload(std::string& line, std::string_view payload) {
  while (!payload.empty()) {
    const std::size_t end = payload.find('\0');
    protocol::append_escaped(line, payload.substr(0, end));
    if (end == std::string_view::npos) return;
    line += ' ';
    payload.remove_prefix(end + 1);
  }
}

}  // namespace

std::string_view trace_switch_name(TraceSwitch which) noexcept {
  switch (which) {
    case TraceSwitch::kObj:
      return "obj";
    case TraceSwitch::kIo:
      return "io";
    case TraceSwitch::kWrl:
      return "wrl";
    case TraceSwitch::kAcc:
      return "acc";
    case TraceSwitch::kTdb:
      return "tdb";
  }
  return "";
}

std::optional<TraceSwitch> trace_switch_from_name(std::string_view name) noexcept {
  for (const TraceSwitch which : kTraceSwitches) {
    if (name == trace_switch_name(which)) return which;
  }
  return std::nullopt;
}

std::string trace_io_line(TraceDirection direction, const void* connection, DomId domid,
                          std::string_view message_name, std::string_view payload,
                          std::time_t now) {
  std::tm local{};
  ::localtime_r(&now, &local);
  std::string line = fmt::format("io: {} {} (d{}) {:04}{:02}{:02} {:02}:{:02}:{:02} {} (",
                                 direction_name(direction), fmt::ptr(connection), domid,
                                 local.tm_year + 1900, local.tm_mon + 1, local.tm_mday,
                                 local.tm_hour, local.tm_min, local.tm_sec, message_name);
  append_payload(line, payload);
  line += ")\n";
  return line;
}

std::string trace_object_line(bool created, std::string_view what, const void* object) {
  return fmt::format("obj: {} {} {}\n", created ? "CREATE" : "DESTROY", what, fmt::ptr(object));
}

std::string trace_text_line(TraceSwitch which, std::string_view text) {
  std::string line(trace_switch_name(which));
  line += ": ";
  append_payload(line, text);
  line += '\n';
  return line;
}

}  // namespace vxs::logging
