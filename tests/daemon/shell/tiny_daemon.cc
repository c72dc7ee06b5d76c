// The shell of vxenstored without a store: starts as the daemon does, then accepts and closes
// connections until SIGTERM. TINY_FAIL=<text> fails, TINY_DIE=<signal> dies and TINY_SLOW=<ms>
// waits before it is ready; TINY_LINGER=1
// keeps 200 MB to give back at its end, so that dying takes a while; TINY_REPORT=<file> tells what
// the tests cannot see from outside.
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spdlog/spdlog.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>

#include "daemon/config/options.hh"
#include "daemon/logging/log.hh"
#include "daemon/process/daemon_form.hh"
#include "daemon/process/instance.hh"
#include "daemon/process/notify.hh"
#include "daemon/process/signals.hh"

namespace {

using namespace vxs;

void misbehave_as_told(process::Startup& startup) {
  if (const char* milliseconds = std::getenv("TINY_SLOW")) {
    std::this_thread::sleep_for(std::chrono::milliseconds(std::atoi(milliseconds)));
  }
  if (const char* number = std::getenv("TINY_DIE")) {
    ::signal(std::atoi(number), SIG_DFL);
    ::raise(std::atoi(number));
  }
  if (const char* text = std::getenv("TINY_FAIL")) {
    startup.fail(text);
    std::exit(EXIT_FAILURE);
  }
}

void report() {
  const char* file = std::getenv("TINY_REPORT");
  if (!file) return;
  const mode_t mask = ::umask(0077);
  std::error_code ignored;
  std::ofstream out(file);
  out << "pid=" << ::getpid() << "\nsid=" << ::getsid(0) << "\nppid=" << ::getppid()
      << "\ncwd=" << std::filesystem::current_path().string() << "\numask=" << mask
      << "\nnotify=" << (std::getenv("NOTIFY_SOCKET") ? "set" : "unset");
  for (const char* fd : {"0", "1", "2"}) {
    out << "\nfd" << fd << "="
        << std::filesystem::read_symlink(std::string("/proc/self/fd/") + fd, ignored).string();
  }
  out << "\nend=1\n";
}

/// Before anybody is told that the daemon serves: who knows may send SIGTERM at once.
process::Descriptor stop_signals() {
  sigset_t stop;
  ::sigemptyset(&stop);
  ::sigaddset(&stop, SIGTERM);
  ::sigprocmask(SIG_BLOCK, &stop, nullptr);
  return process::Descriptor(::signalfd(-1, &stop, SFD_CLOEXEC));
}

int serve(const process::Instance& instance, const process::Descriptor& stopped) {
  pollfd watched[2] = {{stopped.get(), POLLIN, 0}, {instance.listen_fd(), POLLIN, 0}};
  while (::poll(watched, 2, -1) >= 0 && (watched[0].revents & POLLIN) == 0) {
    const process::Descriptor client(::accept(instance.listen_fd(), nullptr, nullptr));
  }
  return EXIT_SUCCESS;
}

}  // namespace

int main(int argc, char** argv) {
  process::prepare_signals();
  process::normalise_process();
  const auto config = config::parse_config(argc, argv, config::process_environment());
  if (!config) {
    std::fputs(config.error().text.c_str(), config.error().exit_code == 0 ? stdout : stderr);
    return config.error().exit_code;
  }
  const process::Notifier notifier = process::Notifier::from_environment();
  auto form = config->daemonize
                  ? process::Startup::in_background()
                  : process::StartResult<process::Startup>(process::Startup::in_foreground());
  if (!form) {
    std::fputs(form.error().text.c_str(), stderr);
    return EXIT_FAILURE;
  }
  process::Startup startup = *std::move(form);
  logging::start(startup.background() ? logging::Target::kSyslog : logging::Target::kStandardError);
  auto instance = process::Instance::acquire(*config);
  if (!instance) {
    startup.fail(instance.error().text);
    return EXIT_FAILURE;
  }
  misbehave_as_told(startup);
  const process::Descriptor stopped = stop_signals();
  if (auto published = instance->publish_pid(::getpid()); !published) {
    startup.fail(published.error().text);
    return EXIT_FAILURE;
  }
  if (auto told = notifier.ready(); !told) spdlog::warn("{}", told.error().text);
  spdlog::info("ready");
  startup.succeed();
  report();
  if (std::getenv("TINY_LINGER")) {
    (void)::mmap(nullptr, 200'000'000, PROT_READ | PROT_WRITE,
                 MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
  }
  const int code = serve(*instance, stopped);
  instance->retire();
  spdlog::info("leaving");
  logging::stop();
  return code;
}
