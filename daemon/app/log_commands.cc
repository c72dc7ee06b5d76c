#include "daemon/app/log_commands.hh"

#include <fcntl.h>
#include <fmt/format.h>
#include <malloc.h>
#include <unistd.h>

#include <string>

#include "daemon/process/descriptor.hh"

namespace vxs::daemon {
namespace {

using protocol::Error;

ControlResult log(logging::TraceFile& trace, const std::function<void()>& changed,
                  ControlArgs args) {
  if (args.empty()) return trace.settings_text();
  if (args.size() != 1) return tl::unexpected(Error::kInval);
  const auto done = trace.control(args[0]);
  changed();
  if (!done) return tl::unexpected(done.error());
  return "OK";
}

ControlResult logfile(logging::TraceFile& trace, const std::function<void()>& changed,
                      ControlArgs args) {
  if (args.size() != 1) return tl::unexpected(Error::kInval);
  const auto done = trace.set_file(args[0]);
  changed();
  if (!done) return tl::unexpected(done.error());
  return "OK";
}

std::string memory_report(const store::TreeStats& stats) {
  const struct mallinfo2 heap = mallinfo2();
  return fmt::format(
      "tree nodes in all versions: {}\ntree bytes in all versions: {}\n"
      "heap bytes in use: {}\nheap bytes free: {}\nheap bytes mapped: {}\n",
      stats.total_nodes, stats.total_bytes, heap.uordblks, heap.fordblks, heap.hblkhd);
}

ControlResult memreport(logging::TraceFile& trace, const store::TreeStats& stats,
                        ControlArgs args) {
  if (args.size() > 1) return tl::unexpected(Error::kInval);
  const std::string text = memory_report(stats);
  if (args.empty()) {
    const auto appended = trace.append(text);
    if (!appended) return tl::unexpected(appended.error());
    return "OK";
  }
  const process::Descriptor file(::open(
      std::string(args[0]).c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!file || ::write(file.get(), text.data(), text.size()) < 0) {
    return tl::unexpected(protocol::error_from_errno(errno));
  }
  return "OK";
}

}  // namespace

void add_log_commands(Control& control, logging::TraceFile& trace, std::function<void()> changed,
                      const store::TreeStats& stats) {
  control.add("log",
              {.parameters = "[on|off|+<switch>|-<switch>]",
               .run = [&trace, changed](ControlArgs args) { return log(trace, changed, args); }});
  control.add("logfile", {.parameters = "<file>", .run = [&trace, changed](ControlArgs args) {
                            return logfile(trace, changed, args);
                          }});
  control.add("memreport", {.parameters = "[<file>]", .run = [&trace, &stats](ControlArgs args) {
                              return memreport(trace, stats, args);
                            }});
}

}  // namespace vxs::daemon
