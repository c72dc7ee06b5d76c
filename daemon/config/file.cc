// The TOML file. Only this file includes toml++.
#define TOML_EXCEPTIONS 0
#include <toml++/toml.h>

#include <array>
#include <fstream>
#include <string_view>
#include <utility>

#include "daemon/config/settings.hh"
#include "daemon/config/words.hh"
#include "protocol/path_glob.hh"

namespace vxs::config {
namespace {

constexpr std::int64_t kBudgetMibMin = 4;
constexpr std::int64_t kBudgetMibMax = 1 << 20;
constexpr std::uint32_t kSecondsMax = 1'000'000;

/// Walks the document and keeps the first complaint.
class Reader {
 public:
  Reader(std::string path, Settings& settings) : path_(std::move(path)), settings_(settings) {}

  void read(const toml::table& document) {
    for (const auto& [key, node] : document) {
      if (error_) return;
      const std::string_view name = key.str();
      if (name == "trace") {
        read_table(name, node, [this](std::string_view k, const toml::node& n) { trace(k, n); });
      } else if (name == "quota" || name == "quota-soft") {
        const bool soft = name == "quota-soft";
        read_table(name, node,
                   [this, soft](std::string_view k, const toml::node& n) { quota(k, n, soft); });
      } else if (name == "history" && node.is_table()) {
        read_table(name, node, [this](std::string_view k, const toml::node& n) { history(k, n); });
      } else if (name == "history") {
        flag(name, node, settings_.history);
      } else if (name == "timeout") {
        read_table(name, node, [this](std::string_view k, const toml::node& n) { timeout(k, n); });
      } else {
        top_level(name, node);
      }
    }
  }

  [[nodiscard]] const std::optional<ConfigError>& error() const noexcept { return error_; }

  void fail(const toml::source_region& where, const std::string& what) {
    if (error_) return;
    error_ = ConfigError{path_ + ":" + std::to_string(where.begin.line) + ": " + what};
  }

 private:
  void unknown(std::string_view key, const toml::node& node) {
    fail(node.source(), "unknown key '" + std::string(key) + "'");
  }

  void wrong(std::string_view key, const toml::node& node, std::string_view expected) {
    fail(node.source(), "'" + std::string(key) + "' must be " + std::string(expected));
  }

  template <typename Function>
  void read_table(std::string_view name, const toml::node& node, Function on_key) {
    const toml::table* table = node.as_table();
    if (!table) return wrong(name, node, "a table");
    for (const auto& [key, value] : *table) on_key(key.str(), value);
  }

  void path(std::string_view key, const toml::node& node, std::optional<std::string>& target) {
    const auto text = node.value_exact<std::string>();
    if (!text || text->empty() || text->find('\0') != std::string::npos) {
      return wrong(key, node, "the name of a file or directory");
    }
    target = *text;
  }

  void flag(std::string_view key, const toml::node& node, std::optional<bool>& target) {
    target = node.value_exact<bool>();
    if (!target) wrong(key, node, "true or false");
  }

  template <typename T>
  void word(std::string_view key, const toml::node& node,
            std::optional<T> (*parse)(std::string_view) noexcept, std::string_view words,
            std::optional<T>& target) {
    const auto text = node.value_exact<std::string>();
    if (text) target = parse(*text);
    if (!target) wrong(key, node, words);
  }

  void number(std::string_view key, const toml::node& node, std::uint32_t max,
              std::optional<std::uint32_t>& target) {
    const auto value = node.value_exact<std::int64_t>();
    if (!value || *value < 0 || *value > static_cast<std::int64_t>(max)) {
      return wrong(key, node, "a whole number from 0 to " + std::to_string(max));
    }
    target = static_cast<std::uint32_t>(*value);
  }

  void top_level(std::string_view key, const toml::node& node) {
    if (key == "run-dir") return path(key, node, settings_.run_dir);
    if (key == "socket") return path(key, node, settings_.socket_path);
    if (key == "pid-file") return path(key, node, settings_.pid_file);
    if (key == "state-dir") return path(key, node, settings_.state_dir);
    if (key == "journal-dir") return path(key, node, settings_.journal_dir);
    if (key == "log-dir") return path(key, node, settings_.log_dir);
    if (key == "keep-orphans") return flag(key, node, settings_.keep_orphans);
    if (key == "durability") {
      return word(key, node, &durability_from_word, kDurabilityWords, settings_.durability);
    }
    if (key == "after-reboot") {
      return word(key, node, &after_reboot_from_word, kAfterRebootWords, settings_.after_reboot);
    }
    if (key == "connections") {
      return word(key, node, &connections_from_word, kConnectionsWords, settings_.keep_connections);
    }
    if (key == "xen") return word(key, node, &xen_mode_from_word, kXenWords, settings_.xen);
    if (key == "journal-budget-mib") return journal_budget(key, node);
    unknown(key, node);
  }

  void journal_budget(std::string_view key, const toml::node& node) {
    const auto mib = node.value_exact<std::int64_t>();
    if (!mib || *mib < kBudgetMibMin || *mib > kBudgetMibMax) {
      return wrong(key, node,
                   "a whole number of MiB from " + std::to_string(kBudgetMibMin) + " to " +
                       std::to_string(kBudgetMibMax));
    }
    settings_.journal_budget_bytes = static_cast<std::uint64_t>(*mib) << 20;
  }

  void trace(std::string_view key, const toml::node& node) {
    if (key == "file") return path(key, node, settings_.trace_file);
    if (key != "control") return unknown(key, node);
    const toml::array* switches = node.as_array();
    if (!switches) return wrong(key, node, "an array of switches");
    for (const toml::node& element : *switches) {
      const auto text = element.value_exact<std::string>();
      if (!text || !is_trace_switch(*text)) {
        return wrong(key, element, "+ or - and one of obj, io, wrl, acc, tdb");
      }
      settings_.trace_control.push_back(*text);
    }
  }

  void quota(std::string_view key, const toml::node& node, bool soft) {
    const auto quota = soft ? soft_quota_from_name(key) : quota_from_name(key);
    if (!quota || quota_info(*quota).soft != soft) return unknown(key, node);
    number(key, node, kQuotaValueMax, settings_.quotas[static_cast<std::size_t>(*quota)]);
  }

  void history(std::string_view key, const toml::node& node) {
    if (key == "write") return flag(key, node, settings_.history);
    if (key != "redact") return unknown(key, node);
    const toml::array* globs = node.as_array();
    if (!globs || globs->size() > kMaxRedact) {
      return wrong(key, node, "an array of at most " + std::to_string(kMaxRedact) + " paths");
    }
    for (const toml::node& element : *globs) {
      const auto text = element.value_exact<std::string>();
      if (!text || !protocol::is_path_glob(*text)) {
        return wrong(key, element, "absolute paths, with * within a name and ** for any names");
      }
      settings_.redact.push_back(*text);
    }
  }

  void timeout(std::string_view key, const toml::node& node) {
    if (key == "watch-event") return number(key, node, kSecondsMax, settings_.watch_event_seconds);
    if (key == "update") return number(key, node, kSecondsMax, settings_.update_seconds);
    unknown(key, node);
  }

  std::string path_;
  Settings& settings_;
  std::optional<ConfigError> error_;
};

std::optional<std::string> text_of(const std::string& path) {
  std::ifstream stream(path, std::ios::binary);
  std::string text;
  std::array<char, 4096> chunk;
  // read() turns what goes wrong below (a directory, say) into badbit; iterators would throw.
  while (stream.read(chunk.data(), chunk.size()) || stream.gcount() > 0) {
    text.append(chunk.data(), static_cast<std::size_t>(stream.gcount()));
  }
  if (!stream.is_open() || stream.bad()) return std::nullopt;
  return text;
}

}  // namespace

tl::expected<Settings, ConfigError> read_file(const std::string& path) {
  const std::optional<std::string> text = text_of(path);
  if (!text) return tl::make_unexpected(ConfigError{path + ": cannot be read"});
  const toml::parse_result parsed = toml::parse(*text, path);
  Settings settings;
  Reader reader(path, settings);
  if (!parsed) {
    reader.fail(parsed.error().source(), std::string(parsed.error().description()));
  } else {
    reader.read(parsed.table());
  }
  if (reader.error()) return tl::make_unexpected(*reader.error());
  return settings;
}

}  // namespace vxs::config
