// One line of --json output: an object whose keys keep the order they were added in. The line is
// ASCII: everything else is \u-escaped.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace vxs::tools {

class JsonObject {
 public:
  JsonObject();
  ~JsonObject();
  JsonObject(JsonObject&&) noexcept;
  JsonObject& operator=(JsonObject&&) noexcept;

  /// Text of ours; a byte that is no UTF-8 becomes U+FFFD.
  JsonObject& text(std::string_view key, std::string_view text);
  /// Bytes a client chose, without loss: `key` holds them when they are UTF-8, else
  /// `key`_base64 does.
  JsonObject& bytes(std::string_view key, std::string_view bytes);
  JsonObject& number(std::string_view key, std::uint64_t number);
  JsonObject& boolean(std::string_view key, bool value);
  JsonObject& null(std::string_view key);
  JsonObject& optional_number(std::string_view key, std::optional<std::uint64_t> number);
  JsonObject& strings(std::string_view key, std::span<const std::string> values);
  JsonObject& object(std::string_view key, const JsonObject& value);
  JsonObject& objects(std::string_view key, std::span<const JsonObject> values);

  /// The object with a newline.
  [[nodiscard]] std::string line() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace vxs::tools
