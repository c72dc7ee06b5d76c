#include "tests/abuse/talk.hh"

#include <algorithm>
#include <cstdlib>

namespace vxs::abuse {

using support::Frame;
using support::FrameClient;
using support::zstrings;

std::string ask(FrameClient& client, std::uint32_t type, std::string_view payload,
                std::uint32_t tx) {
  const Frame frame = client.call(type, payload, tx);
  return frame.is_error() ? "!" + frame.error() : frame.payload;
}

std::string ask(FrameClient& client, std::uint32_t type,
                std::initializer_list<std::string_view> strings, std::uint32_t tx) {
  return ask(client, type, std::string_view(zstrings(strings)), tx);
}

std::string read(FrameClient& client, std::string_view path, std::uint32_t tx) {
  return ask(client, support::kRead, {path}, tx);
}

std::string write(FrameClient& client, std::string_view path, std::string_view value,
                  std::uint32_t tx) {
  return ask(client, support::kWrite, std::string_view(zstrings({path}) + std::string(value)), tx);
}

std::string mkdir(FrameClient& client, std::string_view path, std::uint32_t tx) {
  return ask(client, support::kMkdir, {path}, tx);
}

std::string rm(FrameClient& client, std::string_view path, std::uint32_t tx) {
  return ask(client, support::kRm, {path}, tx);
}

std::string set_perms(FrameClient& client, std::string_view path, std::string_view entries,
                      std::uint32_t tx) {
  std::string payload = zstrings({path, entries});
  std::replace(payload.begin(), payload.end(), ' ', '\0');
  return ask(client, support::kSetPerms, std::string_view(payload), tx);
}

std::string watch(FrameClient& client, std::string_view path, std::string_view token) {
  return ask(client, support::kWatch, {path, token});
}

std::uint32_t start(FrameClient& client) {
  const std::string id = ask(client, support::kTransactionStart, {""});
  return static_cast<std::uint32_t>(std::strtoul(id.c_str(), nullptr, 10));
}

std::string commit(FrameClient& client, std::uint32_t tx) {
  return ask(client, support::kTransactionEnd, {"T"}, tx);
}

std::string control(FrameClient& client, std::initializer_list<std::string_view> words) {
  std::string text = ask(client, support::kControl, words);
  while (text.ends_with('\0') || text.ends_with('\n')) text.pop_back();
  return text;
}

long status(FrameClient& client, const std::string& key) {
  const std::string text = "\n" + control(client, {"vxs-status"});
  const auto at = text.find("\n" + key + ": ");
  if (at == std::string::npos) return -1;
  return std::strtol(text.c_str() + at + key.size() + 3, nullptr, 10);
}

}  // namespace vxs::abuse
