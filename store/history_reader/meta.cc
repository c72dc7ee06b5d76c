#include "store/history_reader/meta.hh"

#include <algorithm>
#include <charconv>

namespace vxs::store::reader {
namespace {

template <typename Number>
std::optional<Number> parse_whole(std::string_view text) {
  Number value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || error != std::errc{} || end != text.data() + text.size()) {
    return std::nullopt;
  }
  return value;
}

/// Cuts the text before the next `separator` off the front.
std::string_view take_field(std::string_view& rest, char separator) {
  const std::size_t end = std::min(rest.find(separator), rest.size());
  const std::string_view field = rest.substr(0, end);
  rest.remove_prefix(std::min(end + 1, rest.size()));
  return field;
}

std::optional<protocol::PermEntry> parse_entry(std::string_view text) {
  if (text.empty()) return std::nullopt;
  const auto access = protocol::access_from_letter(text.front());
  text.remove_prefix(1);
  if (text.ends_with('#')) return std::nullopt;
  const auto domid = parse_whole<DomId>(take_field(text, '#'));
  if (!access || !domid) return std::nullopt;
  protocol::PermEntry entry;
  entry.access = *access;
  entry.domid = *domid;
  if (text == "stale") {
    entry.incarnation = kIncarnationStale;
  } else if (!text.empty()) {
    const auto incarnation = parse_whole<Incarnation>(text);
    if (!incarnation) return std::nullopt;
    entry.incarnation = *incarnation;
  }
  return entry;
}

}  // namespace

std::optional<std::vector<protocol::PermEntry>> parse_meta_perms(std::string_view text) {
  std::vector<protocol::PermEntry> perms;
  if (text.ends_with(',')) return std::nullopt;
  while (!text.empty()) {
    const auto entry = parse_entry(take_field(text, ','));
    if (!entry) return std::nullopt;
    perms.push_back(*entry);
  }
  if (perms.empty()) return std::nullopt;
  return perms;
}

std::string format_perms(const std::vector<protocol::PermEntry>& perms) {
  std::string text;
  for (const protocol::PermEntry& entry : perms) {
    if (!text.empty()) text += ',';
    text += protocol::access_letter(entry.access);
    text += std::to_string(entry.domid);
    if (entry.incarnation == kIncarnationStale) {
      text += "#stale";
    } else if (entry.incarnation != 0) {
      text += '#' + std::to_string(entry.incarnation);
    }
  }
  return text;
}

std::optional<MetaLine> parse_meta_line(std::string_view line) {
  MetaLine meta;
  meta.git_name = take_field(line, ' ');
  std::string_view created = take_field(line, ' ');
  const auto seq = parse_whole<Seq>(take_field(created, '.'));
  const auto within = parse_whole<std::uint64_t>(created);
  auto perms = parse_meta_perms(take_field(line, ' '));
  if (meta.git_name.empty() || !seq || !within || !perms) return std::nullopt;
  meta.created = {*seq, *within};
  meta.perms = *std::move(perms);
  while (!line.empty()) {
    if (line.starts_with("name=")) {  // always the last
      meta.full_name = line.substr(5);
      break;
    }
    if (take_field(line, ' ') == "fan") meta.fanned_out = true;
  }
  return meta;
}

std::string_view find_meta_line(std::string_view file, std::string_view git_name) {
  while (!file.empty()) {
    const std::string_view line = take_field(file, '\n');
    if (line.size() > git_name.size() && line[git_name.size()] == ' ' &&
        line.starts_with(git_name)) {
      return line;
    }
  }
  return {};
}

}  // namespace vxs::store::reader
