#include "tests/differential/step.hh"

#include <algorithm>
#include <array>
#include <cstdio>

#include "tests/support/wire_client.hh"

namespace vxs::differential {
namespace {

constexpr size_t kLongRun = 12;

bool legal(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
         c == '/' || c == '_' || c == '@';
}

void append_escaped(std::string& text, char c) {
  if (c == '\0') {
    text += "\\0";
  } else if (c == '"' || c == '\\') {
    text += {'\\', c};
  } else if (c >= ' ' && c <= '~') {
    text += c;
  } else {
    std::array<char, 5> hex{};
    std::snprintf(hex.data(), hex.size(), "\\x%02x",
                  static_cast<unsigned>(static_cast<unsigned char>(c)));
    text += hex.data();
  }
}

std::string transaction_text(int slot) {
  if (slot == kNoTransaction) return "";
  if (slot == kBogusTransaction) return " [bogus tx]";
  return " [tx " + std::to_string(slot) + "]";
}

}  // namespace

std::string quoted(std::string_view bytes) {
  std::string text = "\"";
  for (size_t i = 0; i < bytes.size();) {
    const size_t end = std::min(bytes.find_first_not_of(bytes[i], i), bytes.size());
    if (end - i > kLongRun) {
      text += '{';
      append_escaped(text, bytes[i]);
      text += " x" + std::to_string(end - i) + '}';
      i = end;
    } else {
      append_escaped(text, bytes[i++]);
    }
  }
  return text + '"';
}

bool of_machine(Kind kind) { return kind >= Kind::kCreate; }

bool is_guest(unsigned client) { return client >= kSockets; }
uint32_t domid_of(unsigned client) { return is_guest(client) ? client - kSockets + 1 : 0; }
unsigned guest_of(uint32_t domid) { return kSockets + domid - 1; }

std::vector<uint32_t> domids_in(const Step& step) {
  std::vector<uint32_t> result;
  std::string_view rest = step.payload;
  for (size_t end = rest.find('\0'); end != std::string_view::npos; end = rest.find('\0')) {
    if (end == 1 && rest[0] >= '1' && rest[0] < static_cast<char>('1' + kGuests)) {
      result.push_back(static_cast<uint32_t>(rest[0] - '0'));
    }
    rest.remove_prefix(end + 1);
  }
  return result;
}

std::string name_of(const Step& step) {
  switch (step.kind) {
    case Kind::kCreate:
      return "(create)";
    case Kind::kShutdown:
      return "(shutdown)";
    case Kind::kResumeDomain:
      return "(resume)";
    case Kind::kSoftReset:
      return "(soft reset)";
    case Kind::kDestroy:
      return "(destroy)";
    case Kind::kStart:
      return "TRANSACTION_START";
    case Kind::kEnd:
      return "TRANSACTION_END";
    case Kind::kListAll:
      return "DIRECTORY_PART(all)";
    case Kind::kReconnect:
      return "(reconnect)";
    case Kind::kBurst:
      return support::type_name(step.type) + "(burst)";
    case Kind::kRequest:
      break;
  }
  return support::type_name(step.type);
}

std::string describe(const Step& step) {
  if (of_machine(step.kind)) return "machine " + name_of(step) + " " + quoted(step.payload);
  const std::string who = (is_guest(step.client) ? "guest " + std::to_string(domid_of(step.client))
                                                 : "client " + std::to_string(step.client)) +
                          transaction_text(step.slot) + " ";
  switch (step.kind) {
    case Kind::kStart:
      return who + "TRANSACTION_START (touches " + step.payload + " only)";
    case Kind::kEnd:
      return who + "TRANSACTION_END " + quoted(step.payload);
    case Kind::kListAll:
      return who + "DIRECTORY_PART, all parts of " + quoted(step.payload);
    case Kind::kReconnect:
      return who + "reconnect";
    default:
      return who + name_of(step) + " " + quoted(step.payload);
  }
}

std::string_view first_argument(std::string_view payload) {
  return payload.substr(0, payload.find('\0'));
}

std::optional<std::string> absolute(std::string_view path, uint32_t domid) {
  if (path == "/") return "/";
  const bool malformed = path.empty() || path.back() == '/' ||
                         path.find("//") != std::string_view::npos ||
                         !std::all_of(path.begin(), path.end(), legal);
  if (malformed) return std::nullopt;
  if (path.front() == '/' || path.front() == '@') return std::string(path);
  return "/local/domain/" + std::to_string(domid) + "/" + std::string(path);
}

std::optional<std::string> path_of(const Step& step) {
  return absolute(first_argument(step.payload), domid_of(step.client));
}

}  // namespace vxs::differential
