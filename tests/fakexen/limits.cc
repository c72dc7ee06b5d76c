// oxenstored insists on raising its descriptor limit to the kernel's maximum,
// which a container forbids; it is given what the container allows instead.
#include <dlfcn.h>
#include <sys/resource.h>

#include <algorithm>

extern "C" {

int setrlimit(__rlimit_resource_t resource, const struct rlimit* wanted) noexcept {
  const auto real = reinterpret_cast<int (*)(__rlimit_resource_t, const struct rlimit*)>(
      dlsym(RTLD_NEXT, "setrlimit"));
  rlimit current{};
  if (resource != RLIMIT_NOFILE || getrlimit(resource, &current) != 0) {
    return real(resource, wanted);
  }
  const rlimit allowed{std::min(wanted->rlim_cur, current.rlim_max),
                       std::min(wanted->rlim_max, current.rlim_max)};
  return real(resource, &allowed);
}

}  // extern "C"
