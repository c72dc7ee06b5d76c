// vxs quota
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <iostream>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tools/vxs/commands.hh"
#include "tools/vxs/daemon_status.hh"
#include "tools/vxs/exit_code.hh"
#include "tools/vxs/json.hh"

namespace vxs::tools {
namespace {

struct Resource {
  std::string name;
  std::uint64_t now = 0, limit = 0, highest = 0, refused = 0, refused_us = 0;
};

struct DomainUse {
  std::uint64_t domid = 0;
  bool limited = false;
  std::vector<std::string> paused;
  std::vector<Resource> resources;
};

std::vector<std::string_view> words_of(std::string_view line) {
  std::vector<std::string_view> words;
  while (!line.empty()) {
    const std::size_t end = std::min(line.find(' '), line.size());
    if (end != 0) words.push_back(line.substr(0, end));
    line.remove_prefix(std::min(end + 1, line.size()));
  }
  return words;
}

std::uint64_t number_of(std::string_view word) {
  std::uint64_t number = 0;
  (void)std::from_chars(word.data(), word.data() + word.size(), number);
  return number;
}

/// Lines this version does not know are passed over. Returns where to go on, if there is more.
std::optional<std::string> parse(std::string_view text, std::vector<DomainUse>& domains) {
  std::optional<std::string> more;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const auto words = words_of(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
    if (words.empty()) continue;
    if (words[0] == "more" && words.size() == 2) {
      more = std::string(words[1]);
    } else if (words[0] == "domid" && words.size() == 2) {
      domains.emplace_back();
      domains.back().domid = number_of(words[1]);
    } else if (domains.empty()) {
      continue;
    } else if (words[0] == "limited" && words.size() == 2) {
      domains.back().limited = words[1] == "1";
    } else if (words[0] == "paused") {
      domains.back().paused.assign(words.begin() + 1, words.end());
    } else if (words.size() == 6) {
      domains.back().resources.push_back({.name = std::string(words[0]),
                                          .now = number_of(words[1]),
                                          .limit = number_of(words[2]),
                                          .highest = number_of(words[3]),
                                          .refused = number_of(words[4]),
                                          .refused_us = number_of(words[5])});
    }
  }
  return more;
}

/// What to do about a resource, if anything.
std::string advice(const DomainUse& domain, const Resource& resource) {
  if (resource.limit == 0) return {};
  const std::uint64_t suggested = resource.limit * 2;
  if (resource.refused != 0) {
    return fmt::format(
        "domain {} was stopped by {} ({}) {} times, last {}: if it is to be trusted with more, "
        "raise "
        "{} to {}",
        domain.domid, resource.name, resource.limit, resource.refused,
        reader::format_local_time(static_cast<std::int64_t>(resource.refused_us)), resource.name,
        suggested);
  }
  if (resource.highest * 10 < resource.limit * 9) return {};
  return fmt::format("domain {} came close to {}: {} of {}; consider {}", domain.domid,
                     resource.name, resource.highest, resource.limit, suggested);
}

std::vector<std::string> all_advice(const DomainUse& domain) {
  std::vector<std::string> sentences;
  for (const Resource& resource : domain.resources) {
    if (auto sentence = advice(domain, resource); !sentence.empty()) {
      sentences.push_back(std::move(sentence));
    }
  }
  return sentences;
}

JsonObject json_of(const DomainUse& domain) {
  JsonObject json;
  json.number("domid", domain.domid).boolean("limited", domain.limited);
  json.strings("paused", domain.paused);
  std::vector<JsonObject> resources;
  for (const Resource& resource : domain.resources) {
    JsonObject one;
    one.text("name", resource.name).number("now", resource.now);
    one.optional_number("limit",
                        resource.limit == 0 ? std::nullopt : std::optional(resource.limit));
    one.number("highest", resource.highest).number("refused", resource.refused);
    one.optional_number("refused_us",
                        resource.refused == 0 ? std::nullopt : std::optional(resource.refused_us));
    resources.push_back(std::move(one));
  }
  json.objects("resources", resources);
  json.strings("advice", all_advice(domain));
  return json;
}

void write_table(Output& out, const DomainUse& domain) {
  out.write(Colour::kBold, fmt::format("domain {}", domain.domid));
  if (!domain.limited) out.write("  (no limits: not a guest with a ring)");
  for (const auto& reason : domain.paused) {
    out.write(Colour::kRed, fmt::format("  resting: {}", printable(reason)));
  }
  out.write(fmt::format("\n  {:<18} {:>10} {:>10} {:>10} {:>8}\n", "", "now", "limit", "highest",
                        "stopped"));
  for (const Resource& resource : domain.resources) {
    const std::string limit = resource.limit == 0 ? "-" : std::to_string(resource.limit);
    out.write(resource.refused == 0 ? Colour::kNone : Colour::kRed,
              fmt::format("  {:<18} {:>10} {:>10} {:>10} {:>8}\n", printable(resource.name),
                          resource.now, limit, resource.highest, resource.refused));
  }
  for (const auto& sentence : all_advice(domain)) out.write("  " + printable(sentence) + "\n");
}

}  // namespace

int run(Context& context, const QuotaOptions& options) {
  const auto location = locate(context.common);
  if (!location) return report(context, location.error());
  std::vector<DomainUse> domains;
  std::optional<std::string> from = std::to_string(options.domain.value_or(0));
  while (from) {
    std::string argument = *from;
    argument.push_back('\0');
    const auto text = ask_daemon_text(location->socket, "vxs-quota", argument);
    if (!text) {
      std::cerr << "vxs: " << printable(text.error()) << '\n';
      return kExitUnreadable;
    }
    const std::size_t before = domains.size();
    from = parse(*text, domains);
    if (options.domain || domains.size() == before) break;
  }
  if (options.domain) {
    std::erase_if(domains, [&](const auto& one) { return one.domid != *options.domain; });
  }
  if (domains.empty()) {
    std::cerr << "vxs: that domain owns nothing and has no ring\n";
    return kExitFinding;
  }
  for (const DomainUse& domain : domains) {
    if (context.json()) {
      context.out.write(json_of(domain).line());
    } else {
      write_table(context.out, domain);
    }
  }
  return kExitOk;
}

}  // namespace vxs::tools
