#include "daemon/supervisor/options.hh"

#include <getopt.h>

#include <charconv>
#include <optional>
#include <string_view>

#include "daemon/app/version.hh"

namespace vxs::supervisor {
namespace {

constexpr const char* kHelp = R"(Usage: vxenstored-supervise [options] [--] COMMAND ARGS...
Run vxenstored, keep its connections, and start it again when it dies

  -H,--help                   Print this and exit
  -V,--version                Print the version and exit
  -b,--backoff-max MS         Wait at most so many milliseconds before a restart (5000)
  -w,--watchdog MS            Kill a daemon that says nothing for so many milliseconds
                              (0: as the service manager has it)
  -t,--start-timeout MS       Kill a restarted daemon that is not ready after so many
                              milliseconds (300000; 0: never)
  -s,--syslog                 Log to syslog instead of standard error

COMMAND stays in the foreground: vxenstored --no-fork ...
)";

constexpr std::uint64_t kMillisecondsMax = 24ULL * 3600 * 1000;

tl::unexpected<UsageEnd> wrong(const std::string& text) {
  return tl::unexpected(UsageEnd{2, "vxenstored-supervise: " + text + "; try --help\n"});
}

std::optional<std::chrono::milliseconds> milliseconds(std::string_view text) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value > kMillisecondsMax) {
    return std::nullopt;
  }
  return std::chrono::milliseconds(value);
}

}  // namespace

tl::expected<CommandLine, UsageEnd> parse_command_line(int argc, char** argv) {
  static constexpr option kLong[] = {
      {"help", no_argument, nullptr, 'H'},
      {"version", no_argument, nullptr, 'V'},
      {"backoff-max", required_argument, nullptr, 'b'},
      {"watchdog", required_argument, nullptr, 'w'},
      {"start-timeout", required_argument, nullptr, 't'},
      {"syslog", no_argument, nullptr, 's'},
      {nullptr, 0, nullptr, 0},
  };
  CommandLine result;
  Options& options = result.options;
  opterr = 0;
  optind = 0;
  for (int letter = 0; (letter = getopt_long(argc, argv, "+:HVb:w:t:s", kLong, nullptr)) != -1;) {
    std::chrono::milliseconds* time = nullptr;
    switch (letter) {
      case 'H':
        return tl::unexpected(UsageEnd{0, kHelp});
      case 'V':
        return tl::unexpected(
            UsageEnd{0, "vxenstored-supervise " + std::string(daemon::kVersion) + "\n"});
      case 's':
        result.syslog = true;
        continue;
      case 'b':
        time = &options.backoff_max;
        break;
      case 'w':
        time = &options.watchdog;
        break;
      case 't':
        time = &options.start_timeout;
        break;
      case ':':
        return wrong(std::string(argv[optind - 1]) + " wants a value");
      default:
        return wrong(std::string("there is no option ") + argv[optind - 1]);
    }
    const auto value = milliseconds(optarg);
    if (!value) return wrong(std::string("'") + optarg + "' is no number of milliseconds");
    *time = *value;
  }
  options.command.assign(argv + optind, argv + argc);
  if (options.command.empty()) return wrong("a command is missing");
  return result;
}

}  // namespace vxs::supervisor
