#include "daemon/app/hash_ahead.hh"

#include <pthread.h>

#include <system_error>

#include "daemon/process/signals.hh"
#include "store/tree_hash.hh"

namespace vxs::daemon {

void HashAhead::begin(const store::Tree& tree) {
  forget();
  forgotten_ = false;
  if (busy()) return;
  base_ = tree;
  const process::SignalsBlocked blocked;
  try {
    thread_ = std::thread([this] {
      hash_ = hash_of_(*base_);
      done_ = true;
      tell_();
    });
  } catch (const std::system_error&) {
    base_.reset();
    return;
  }
  (void)pthread_setname_np(thread_.native_handle(), "vxs-hash");
}

std::uint64_t HashAhead::hash(const store::Tree& tree) {
  if (thread_.joinable()) thread_.join();
  return base_ ? store::state_hash_from(tree, *base_, hash_) : tree.state_hash();
}

void HashAhead::forget() {
  forgotten_ = true;
  tidy();
}

void HashAhead::tidy() {
  if (forgotten_ && !busy()) end();
}

void HashAhead::end() {
  if (thread_.joinable()) thread_.join();
  base_.reset();
  done_ = false;
}

}  // namespace vxs::daemon
