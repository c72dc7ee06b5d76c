// Preloaded into the daemon by kept_test: a bug that one request meets. Whoever copies bytes that
// begin with the words below ends the process; with PLANTED_IN=<name> only the thread of that name.
#include <sys/prctl.h>

#include <cstddef>
#include <cstdlib>
#include <cstring>

namespace {
constexpr char kWords[] = "here the planted bug is met";

bool met(const void* from, std::size_t size) {
  if (size < sizeof kWords - 1) return false;
  const auto* bytes = static_cast<const char*>(from);
  for (std::size_t i = 0; i < sizeof kWords - 1; ++i) {
    if (bytes[i] != kWords[i]) return false;
  }
  const char* const thread = std::getenv("PLANTED_IN");
  if (thread == nullptr) return true;
  char name[16] = {};
  ::prctl(PR_GET_NAME, name);
  return std::strcmp(name, thread) == 0;
}
}  // namespace

extern "C" void* memcpy(void* __restrict to, const void* __restrict from,
                        std::size_t size) noexcept {
  if (met(from, size)) std::abort();
  auto* out = static_cast<volatile char*>(to);
  const auto* in = static_cast<const char*>(from);
  for (std::size_t i = 0; i < size; ++i) out[i] = in[i];
  return to;
}

extern "C" void* memmove(void* to, const void* from, std::size_t size) noexcept {
  if (met(from, size)) std::abort();
  auto* out = static_cast<volatile char*>(to);
  const auto* in = static_cast<const char*>(from);
  if (out < in) {
    for (std::size_t i = 0; i < size; ++i) out[i] = in[i];
  } else {
    for (std::size_t i = size; i-- > 0;) out[i] = in[i];
  }
  return to;
}
