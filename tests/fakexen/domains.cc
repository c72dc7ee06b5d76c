#include "tests/fakexen/domains.hh"

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <string_view>
#include <vector>

#include "tests/fakexen/the_machine.hh"

namespace vxs::fakexen {
namespace {

struct Range {
  uint32_t first;
  uint32_t last;
};

[[noreturn]] void refuse(std::string_view text) {
  std::fprintf(stderr, "fakexen: FAKEXEN_DOMAINS: cannot read '%.*s'\n",
               static_cast<int>(text.size()), text.data());
  std::_Exit(2);
}

uint32_t parse_domid(std::string_view text) {
  uint32_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size() || value >= kFirstReservedDomid) {
    refuse(text);
  }
  return value;
}

std::vector<Range> parse_domains(std::string_view list) {
  std::vector<Range> ranges{{0, 0}};
  while (!list.empty()) {
    const size_t comma = list.find(',');
    const std::string_view item = list.substr(0, comma);
    const size_t dash = item.find('-');
    const uint32_t first = parse_domid(item.substr(0, dash));
    const uint32_t last =
        dash == std::string_view::npos ? first : parse_domid(item.substr(dash + 1));
    if (last < first) refuse(item);
    ranges.push_back({first, last});
    list = comma == std::string_view::npos ? std::string_view{} : list.substr(comma + 1);
  }
  return ranges;
}

std::optional<uint32_t> next_bare(uint32_t first) {
  static const std::vector<Range> ranges = [] {
    const char* list = std::getenv("FAKEXEN_DOMAINS");
    return parse_domains(list == nullptr ? "" : list);
  }();
  std::optional<uint32_t> best;
  for (const Range& range : ranges) {
    if (range.last < first) continue;
    const uint32_t candidate = std::max(range.first, first);
    if (!best || candidate < *best) best = candidate;
  }
  return best;
}

}  // namespace

std::optional<Domain> next_domain(uint32_t first) {
  Machine* machine = the_machine();
  auto real = machine == nullptr ? std::nullopt : machine->next_domain(first);
  const auto bare = next_bare(first);
  if (!bare || (real && real->domid <= *bare)) return real;
  Domain domain{};
  domain.domid = *bare;
  return domain;
}

}  // namespace vxs::fakexen
