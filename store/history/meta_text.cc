#include "store/history/meta_text.hh"

#include <charconv>
#include <limits>

namespace vxs::store {
namespace {

template <typename T>
std::optional<T> parse_number(std::string_view text) noexcept {
  T value = 0;
  const char* end = text.data() + text.size();
  const auto [stopped, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc{} || stopped != end) return std::nullopt;
  return value;
}

// Cuts the part before `separator` (or everything) off `rest`.
std::string_view take(std::string_view& rest, char separator) noexcept {
  const std::size_t end = rest.find(separator);
  const std::string_view part = rest.substr(0, end);
  rest = end == std::string_view::npos ? std::string_view{} : rest.substr(end + 1);
  return part;
}

std::optional<protocol::PermEntry> parse_entry(std::string_view text) {
  if (text.size() < 2) return std::nullopt;
  const auto access = protocol::access_from_letter(text.front());
  text.remove_prefix(1);
  const bool has_incarnation = text.find('#') != std::string_view::npos;
  const auto domid = parse_number<DomId>(take(text, '#'));
  if (!access || !domid) return std::nullopt;
  protocol::PermEntry entry{*domid, *access, 0};
  if (!has_incarnation) return entry;
  if (text == "stale") {
    entry.incarnation = kIncarnationStale;
    return entry;
  }
  const auto incarnation = parse_number<Incarnation>(text);
  if (!incarnation) return std::nullopt;
  entry.incarnation = *incarnation;
  return entry;
}

}  // namespace

std::optional<MetaLine> meta_line_at(std::string_view text, std::size_t at) noexcept {
  if (at >= text.size()) return std::nullopt;
  const std::size_t end = text.find('\n', at);
  if (end == std::string_view::npos) return std::nullopt;
  std::string_view rest = text.substr(at, end - at);
  MetaLine line;
  line.at = at;
  line.size = end + 1 - at;
  line.name = take(rest, ' ');
  std::string_view created = take(rest, ' ');
  const auto seq = parse_number<Seq>(take(created, '.'));
  const auto number = parse_number<std::uint64_t>(created);
  line.permissions = take(rest, ' ');
  if (line.name.empty() || !seq || !number || line.permissions.empty()) return std::nullopt;
  line.created = {*seq, *number};
  while (!rest.empty()) {
    constexpr std::string_view kName = "name=";
    const std::string_view attribute = take(rest, ' ');
    if (attribute == "fan") line.fanned = true;
    if (attribute.starts_with(kName)) line.full_name = attribute.substr(kName.size());
  }
  return line;
}

std::optional<MetaLine> find_meta_line(std::string_view text, std::string_view name) noexcept {
  for (std::size_t at = 0; at < text.size();) {
    const std::string_view rest = text.substr(at);
    if (rest.size() > name.size() && rest[name.size()] == ' ' && rest.starts_with(name)) {
      return meta_line_at(text, at);
    }
    const std::size_t end = rest.find('\n');
    if (end == std::string_view::npos) break;
    at += end + 1;
  }
  return std::nullopt;
}

void append_meta_line(std::string& out, const MetaLineParts& parts) {
  out += parts.name;
  out += ' ';
  out += std::to_string(parts.created.seq);
  out += '.';
  out += std::to_string(parts.created.number);
  out += ' ';
  out += parts.permissions;
  if (parts.layout) out += " layout=1";
  if (parts.fanned) out += " fan";
  if (!parts.full_name.empty()) {
    out += " name=";
    out += parts.full_name;
  }
  out += '\n';
}

void append_permissions(std::string& out, std::span<const protocol::PermEntry> entries) {
  bool first = true;
  for (const protocol::PermEntry& entry : entries) {
    if (!first) out += ',';
    first = false;
    out += protocol::access_letter(entry.access);
    out += std::to_string(entry.domid);
    if (entry.incarnation == kIncarnationStale) {
      out += "#stale";
    } else if (entry.incarnation != 0) {
      out += '#';
      out += std::to_string(entry.incarnation);
    }
  }
}

std::optional<std::vector<protocol::PermEntry>> parse_permissions(std::string_view text) {
  std::vector<protocol::PermEntry> entries;
  while (!text.empty()) {
    const auto entry = parse_entry(take(text, ','));
    if (!entry) return std::nullopt;
    entries.push_back(*entry);
  }
  if (entries.empty()) return std::nullopt;
  return entries;
}

}  // namespace vxs::store
