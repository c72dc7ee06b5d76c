// An Env in memory that fails, tears and forgets: the twin of the disk for tests.
//
// Every file has two contents, what programs see and what the disk holds; sync() and
// sync_directory() carry the one over to the other, power_cut() goes back to the other with
// a random part of what was never synced. Thread-safe like every Env.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "store/env.hh"

namespace vxs::store::test {

/// Operations that can be told to fail; bits of a mask.
enum Op : unsigned {
  kCreate = 1,
  kWrite = 2,
  kSync = 4,
  kPreallocate = 8,
  kMap = 16,
  kRename = 32,
  kRemove = 64,
  kSyncDirectory = 128,
  kTruncate = 256,
  kRead = 512,
  kAnyChange = kCreate | kWrite | kSync | kPreallocate | kMap | kRename | kRemove | kSyncDirectory |
               kTruncate,
};

class FaultEnv final : public Env {
 public:
  explicit FaultEnv(std::uint64_t seed = 1);
  ~FaultEnv() override;

  /// The operation that is number `nth` (from 1) of the kinds in `ops` from now on fails with
  /// `code`; with `sticky` every later one too. A failing write leaves a random prefix of its data,
  /// or all of it with `lands`.
  void fail(unsigned ops, std::uint64_t nth, int code, bool sticky, bool lands = false);
  void clear_faults();
  /// True if a fault has struck since fail().
  [[nodiscard]] bool fault_struck() const;
  /// Changing operations so far.
  [[nodiscard]] std::uint64_t operations() const;

  /// All files together; ENOSPC beyond. 0: no limit.
  void set_capacity(std::uint64_t bytes);
  void set_memory_file_system(bool memory);

  /// The process is dead: nothing it still does has an effect, every call fails. thaw() once its
  /// objects are destroyed.
  void freeze();
  void thaw();
  /// Unsynced data, sizes and names are lost or kept at random, 512 bytes at a time; a memory file
  /// system is empty afterwards. Open files and mappings of before are dead.
  void power_cut();

  /// XORs one byte of a file, on disk and in sight.
  void damage(const std::string& path, std::uint64_t offset, unsigned char bits = 0x40);
  /// Replaces or makes a file, synced.
  void put_file(const std::string& path, std::string contents);
  [[nodiscard]] std::string contents(const std::string& path) const;
  /// What was asked for at most by one read of an open file, in bytes.
  [[nodiscard]] std::size_t largest_read() const;
  [[nodiscard]] std::vector<std::string> names() const;  ///< full paths of all files, sorted

  IoResult<std::unique_ptr<EnvFile>> create_file(const std::string& path) override;
  IoResult<std::unique_ptr<EnvFile>> open_file(const std::string& path, bool writable) override;
  IoResult<std::unique_ptr<EnvMapping>> create_mapping(const std::string& path,
                                                       std::size_t size) override;
  IoResult<std::unique_ptr<EnvMapping>> create_anonymous(std::size_t size) override;
  IoResult<std::string> read_file(const std::string& path) override;
  IoResult<void> rename_file(const std::string& from, const std::string& to) override;
  IoResult<void> remove_file(const std::string& path) override;
  IoResult<std::vector<std::string>> list_directory(const std::string& path) override;
  IoResult<void> make_directories(const std::string& path) override;
  IoResult<void> sync_directory(const std::string& path) override;
  bool exists(const std::string& path) override;
  bool is_memory_file_system(const std::string& path) override;
  std::uint64_t random_bits() override;

  struct State;

 private:
  std::shared_ptr<State> state_;
};

}  // namespace vxs::store::test
