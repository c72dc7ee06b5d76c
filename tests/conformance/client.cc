#include "tests/conformance/client.hh"

#include <algorithm>

namespace vxs::conformance {
namespace {

/// "a\0b\0" as "a b"; errors stay.
std::string spaced(std::string text) {
  if (text.starts_with('!')) return text;
  if (text.ends_with('\0')) text.pop_back();
  std::replace(text.begin(), text.end(), '\0', ' ');
  return text;
}

}  // namespace

std::string answer(const Frame& frame) {
  return frame.is_error() ? "!" + frame.error() : frame.payload;
}

std::string Client::ask(std::uint32_t type, std::string_view payload, std::uint32_t tx) {
  const Frame frame = call(type, payload, tx);
  if (!frame.is_error() && frame.type != type) {
    throw support::WireError("reply of type " + support::type_name(frame.type));
  }
  return answer(frame);
}

std::string Client::ask(std::uint32_t type, std::initializer_list<std::string_view> strings,
                        std::uint32_t tx) {
  return ask(type, std::string_view(zstrings(strings)), tx);
}

std::string Client::read(std::string_view path, std::uint32_t tx) {
  return ask(support::kRead, {path}, tx);
}
std::string Client::write(std::string_view path, std::string_view value, std::uint32_t tx) {
  return ask(support::kWrite, std::string_view(zstrings({path}) + std::string(value)), tx);
}
std::string Client::mkdir(std::string_view path, std::uint32_t tx) {
  return ask(support::kMkdir, {path}, tx);
}
std::string Client::rm(std::string_view path, std::uint32_t tx) {
  return ask(support::kRm, {path}, tx);
}
std::string Client::list(std::string_view path, std::uint32_t tx) {
  return spaced(ask(support::kDirectory, {path}, tx));
}
std::string Client::perms(std::string_view path, std::uint32_t tx) {
  return spaced(ask(support::kGetPerms, {path}, tx));
}
std::string Client::set_perms(std::string_view path, std::string_view entries, std::uint32_t tx) {
  std::string payload = zstrings({path, entries});
  std::replace(payload.begin(), payload.end(), ' ', '\0');
  return ask(support::kSetPerms, std::string_view(payload), tx);
}

std::string Client::take_initial_event(std::string reply) {
  if (reply != kOk) return reply;
  const auto events = drain();
  if (events.empty()) throw support::WireError("no initial event");
  return reply;
}

std::string Client::watch(std::string_view path, std::string_view token) {
  return take_initial_event(ask(support::kWatch, {path, token}));
}
std::string Client::watch(std::string_view path, std::string_view token, std::string_view depth) {
  return take_initial_event(ask(support::kWatch, {path, token, depth}));
}
std::string Client::unwatch(std::string_view path, std::string_view token) {
  return ask(support::kUnwatch, {path, token});
}

std::uint32_t Client::start() {
  const std::string id = ask(support::kTransactionStart, {""});
  if (id.starts_with('!')) throw support::WireError("TRANSACTION_START: " + id);
  return static_cast<std::uint32_t>(std::stoul(id));
}

std::string Client::control(std::initializer_list<std::string_view> words) {
  std::string text = ask(support::kControl, words);
  if (!text.starts_with('!') && text.ends_with('\0')) text.pop_back();
  return text;
}

std::vector<std::string> Client::heard() {
  std::vector<std::string> paths;
  for (auto& event : drain()) paths.push_back(std::move(event.path));
  return paths;
}

}  // namespace vxs::conformance
