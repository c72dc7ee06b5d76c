#include "tools/vxs/json.hh"

#include <algorithm>

#include <nlohmann/json.hpp>

namespace vxs::tools {
namespace {

using nlohmann::ordered_json;

std::string base64(std::string_view bytes) {
  static constexpr char kDigits[] =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    const std::size_t count = std::min<std::size_t>(3, bytes.size() - i);
    std::uint32_t group = 0;
    for (std::size_t j = 0; j < 3; ++j) {
      group = group << 8 | (j < count ? static_cast<unsigned char>(bytes[i + j]) : 0u);
    }
    for (std::size_t j = 0; j < 4; ++j) {
      text += j <= count ? kDigits[group >> (18 - 6 * j) & 63] : '=';
    }
  }
  return text;
}

bool is_utf8(std::string_view bytes) {
  try {
    (void)ordered_json(bytes).dump();
    return true;
  } catch (const ordered_json::exception&) {
    return false;
  }
}

}  // namespace

struct JsonObject::Impl {
  ordered_json json = ordered_json::object();
};

JsonObject::JsonObject() : impl_(std::make_unique<Impl>()) {}
JsonObject::~JsonObject() = default;
JsonObject::JsonObject(JsonObject&&) noexcept = default;
JsonObject& JsonObject::operator=(JsonObject&&) noexcept = default;

JsonObject& JsonObject::text(std::string_view key, std::string_view text) {
  impl_->json[std::string(key)] = text;
  return *this;
}

JsonObject& JsonObject::bytes(std::string_view key, std::string_view bytes) {
  if (is_utf8(bytes)) return text(key, bytes);
  return text(std::string(key) + "_base64", base64(bytes));
}

JsonObject& JsonObject::number(std::string_view key, std::uint64_t number) {
  impl_->json[std::string(key)] = number;
  return *this;
}

JsonObject& JsonObject::boolean(std::string_view key, bool value) {
  impl_->json[std::string(key)] = value;
  return *this;
}

JsonObject& JsonObject::null(std::string_view key) {
  impl_->json[std::string(key)] = nullptr;
  return *this;
}

JsonObject& JsonObject::optional_number(std::string_view key, std::optional<std::uint64_t> number) {
  return number ? this->number(key, *number) : null(key);
}

JsonObject& JsonObject::strings(std::string_view key, std::span<const std::string> values) {
  ordered_json array = ordered_json::array();
  for (const std::string& value : values) array.push_back(value);
  impl_->json[std::string(key)] = std::move(array);
  return *this;
}

JsonObject& JsonObject::object(std::string_view key, const JsonObject& value) {
  impl_->json[std::string(key)] = value.impl_->json;
  return *this;
}

JsonObject& JsonObject::objects(std::string_view key, std::span<const JsonObject> values) {
  ordered_json array = ordered_json::array();
  for (const JsonObject& value : values) array.push_back(value.impl_->json);
  impl_->json[std::string(key)] = std::move(array);
  return *this;
}

std::string JsonObject::line() const {
  return impl_->json.dump(-1, ' ', true, ordered_json::error_handler_t::replace) + "\n";
}

}  // namespace vxs::tools
