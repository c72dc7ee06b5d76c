#include "daemon/history/library_ahead.hh"

#include <pthread.h>

#include <system_error>

#include "daemon/process/signals.hh"
#include "store/history/git_handles.hh"
#include "store/history/object_id.hh"

namespace vxs::daemon {

LibraryAhead::LibraryAhead() {
  const process::SignalsBlocked blocked;
  try {
    thread_ = std::thread([this] {
      library_ = std::make_unique<store::GitLibrary>();
      (void)store::ObjectHasher().digest("");
    });
  } catch (const std::system_error&) {
    return;
  }
  (void)pthread_setname_np(thread_.native_handle(), "vxs-library");
}

LibraryAhead::~LibraryAhead() { wait(); }

void LibraryAhead::wait() {
  if (thread_.joinable()) thread_.join();
}

}  // namespace vxs::daemon
