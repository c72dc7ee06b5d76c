#include "tests/bench/wire.hh"

#include <cstring>

namespace vxs::bench {

namespace {
constexpr char kNul = '\0';
constexpr std::string_view kNulView{&kNul, 1};
}  // namespace

bool Reply::is_error(std::string_view name) const {
  return type == MessageType::kError && body.size() == name.size() + 1 && body.starts_with(name);
}

void append_message(std::string& out, const Header& header, std::string_view body) {
  char raw[kHeaderSize];
  std::memcpy(raw, &header, kHeaderSize);
  out.append(raw, kHeaderSize);
  out.append(body);
}

void append_request(std::string& out, MessageType type, std::uint32_t transaction,
                    std::initializer_list<std::string_view> parts) {
  std::size_t length = 0;
  for (const std::string_view part : parts) length += part.size();
  append_message(
      out,
      Header{static_cast<std::uint32_t>(type), 0, transaction, static_cast<std::uint32_t>(length)},
      {});
  for (const std::string_view part : parts) out.append(part);
}

std::string path_body(std::string_view path) {
  std::string body(path);
  body.append(kNulView);
  return body;
}

std::string write_body(std::string_view path, std::string_view value) {
  std::string body = path_body(path);
  body.append(value);
  return body;
}

std::string perms_body(std::string_view path, std::span<const std::string> entries) {
  std::string body = path_body(path);
  for (const std::string& entry : entries) {
    body.append(entry);
    body.append(kNulView);
  }
  return body;
}

}  // namespace vxs::bench
