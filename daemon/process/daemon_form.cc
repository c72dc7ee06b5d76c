#include "daemon/process/daemon_form.hh"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <initializer_list>
#include <string>

namespace vxs::process {
namespace {

// The first byte on the pipe says what follows: nothing, or the text of the failure.
constexpr char kReady = 'R';
constexpr char kFailed = 'F';

constexpr const char* kFormVariable = "VXENSTORED_FORM";
constexpr const char* kDaemonForm = "daemon";

void write_all(int fd, std::string_view bytes) noexcept {
  while (!bytes.empty()) {
    const ssize_t written = ::write(fd, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return;  // nobody is left to tell
    bytes.remove_prefix(static_cast<std::size_t>(written));
  }
}

void print_error(std::string_view text) noexcept {
  write_all(STDERR_FILENO, "vxenstored: ");
  write_all(STDERR_FILENO, text);
  write_all(STDERR_FILENO, "\n");
}

std::string read_until_ready_or_end(int fd) {
  std::string said;
  char buffer[512];
  while (said.empty() || said.front() != kReady) {
    const ssize_t got = ::read(fd, buffer, sizeof(buffer));
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) break;
    said.append(buffer, static_cast<std::size_t>(got));
  }
  return said;
}

/// How the daemon, whose subreaper we are, ended.
std::string describe_death() {
  int status = 0;
  while (::waitpid(-1, &status, 0) < 0 && errno == EINTR) {
  }
  if (WIFSIGNALED(status)) {
    return "the daemon was killed by signal " + std::to_string(WTERMSIG(status)) +
           " while it started";
  }
  return "the daemon ended with status " + std::to_string(WEXITSTATUS(status)) +
         " while it started";
}

/// The calling process: it only waits and passes the outcome on.
[[noreturn]] void wait_as_parent(int from_daemon, pid_t first_child) {
  while (::waitpid(first_child, nullptr, 0) < 0 && errno == EINTR) {
  }
  const std::string said = read_until_ready_or_end(from_daemon);
  if (!said.empty() && said.front() == kReady) ::_exit(EXIT_SUCCESS);
  print_error(said.empty() ? describe_death() : said.substr(1));
  ::_exit(EXIT_FAILURE);
}

}  // namespace

bool supervisor_in_daemon_form() noexcept {
  const char* form = std::getenv(kFormVariable);
  return form != nullptr && std::string_view(form) == kDaemonForm;
}

void name_daemon_form() { ::setenv(kFormVariable, kDaemonForm, 1); }

void standard_descriptors_to_null() noexcept {
  const Descriptor null(::open("/dev/null", O_RDWR | O_CLOEXEC));
  if (!null) return;
  for (const int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) ::dup2(null.get(), fd);
}

Startup Startup::in_foreground() { return Startup(); }

StartResult<Startup> Startup::in_background() {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return start_error("cannot create a pipe", errno);
  const Descriptor read_end(ends[0]);
  Descriptor write_end(ends[1]);
  // The daemon becomes our child when its parent, the first child, goes: so we learn how it dies.
  (void)::prctl(PR_SET_CHILD_SUBREAPER, 1);
  const pid_t first = ::fork();
  if (first < 0) return start_error("cannot fork", errno);
  if (first > 0) {
    write_end.reset();
    wait_as_parent(read_end.get(), first);
  }
  // First child: a new session, then a second fork, so that no terminal can become ours.
  const pid_t second = ::setsid() < 0 ? -1 : ::fork();
  if (second < 0) {
    const int error = errno;
    Startup startup;
    startup.to_parent_ = std::move(write_end);
    startup.fail(std::string("cannot fork: ") + std::strerror(error));
    ::_exit(EXIT_FAILURE);
  }
  if (second > 0) ::_exit(EXIT_SUCCESS);
  (void)::prctl(PR_SET_CHILD_SUBREAPER, 0);
  if (::chdir("/") != 0) return start_error("cannot change to /", errno);
  Startup startup;
  startup.to_parent_ = std::move(write_end);
  return startup;
}

void Startup::succeed() {
  if (!to_parent_) return;
  standard_descriptors_to_null();
  write_all(to_parent_.get(), std::string_view(&kReady, 1));
  to_parent_.reset();
}

void Startup::fail(std::string_view text) {
  if (!to_parent_) return print_error(text);
  write_all(to_parent_.get(), std::string(1, kFailed).append(text));
  to_parent_.reset();
}

void normalise_process() {
  int fd = ::open("/dev/null", O_RDWR);
  while (fd >= 0 && fd <= STDERR_FILENO) fd = ::open("/dev/null", O_RDWR);
  if (fd > STDERR_FILENO) ::close(fd);
  ::umask(0077);
}

}  // namespace vxs::process
