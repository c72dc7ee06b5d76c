// What history's libraries do when they are first used, done while the state is recovered: clients
// wait for that, and not for certificates.
#pragma once

#include <memory>
#include <thread>

namespace vxs::store {
class GitLibrary;
}

namespace vxs::daemon {

/// libgit2 reads all certificates of the machine when it is initialised, and OpenSSL looks for its
/// digests: some 7 ms, here on a thread of its own. They stay initialised as long as this lives.
/// Where no thread can be had, whoever uses them first waits.
class LibraryAhead {
 public:
  LibraryAhead();
  ~LibraryAhead();
  LibraryAhead(const LibraryAhead&) = delete;
  LibraryAhead& operator=(const LibraryAhead&) = delete;

  /// Until it is done.
  void wait();

 private:
  std::unique_ptr<store::GitLibrary> library_;
  std::thread thread_;
};

}  // namespace vxs::daemon
