#include "tests/store/fault_env.hh"

#include <algorithm>
#include <cerrno>
#include <map>
#include <mutex>
#include <random>
#include <set>
#include <utility>

namespace vxs::store::test {
namespace {

constexpr std::size_t kSector = 512;

struct Inode {
  std::string data;             ///< what programs see; never moves while mapped
  std::string durable;          ///< what the disk holds
  std::set<std::size_t> dirty;  ///< sectors that may differ
  bool mapped = false;

  void touch(std::size_t from, std::size_t to) {
    for (std::size_t s = from / kSector; s * kSector < to; ++s) dirty.insert(s);
  }
  void carry(std::size_t sector) {
    const std::size_t from = sector * kSector;
    if (from >= durable.size()) return;
    const std::size_t size = std::min(kSector, durable.size() - from);
    if (from >= data.size()) {
      std::fill_n(durable.begin() + static_cast<std::ptrdiff_t>(from), size, '\0');
    } else {
      data.copy(durable.data() + from, std::min(size, data.size() - from), from);
    }
  }
  void sync() {
    durable.resize(data.size());
    if (mapped) durable = data;
    for (const std::size_t sector : dirty) carry(sector);
    dirty.clear();
  }
};

using Names = std::map<std::string, std::shared_ptr<Inode>>;

struct Fault {
  unsigned ops = 0;
  std::uint64_t left = 0;
  int code = 0;
  bool sticky = false;
  bool lands = false;
};

std::string parent_of(const std::string& path) { return path.substr(0, path.rfind('/')); }

}  // namespace

struct FaultEnv::State {
  mutable std::mutex mutex;
  std::mt19937_64 random;
  std::uint64_t nonces = 0;
  Names names;
  Names durable_names;
  std::vector<Fault> faults;
  bool struck = false;
  bool lands = false;  ///< the fault that struck last reports a failure of what was done
  bool frozen = false;
  bool memory = false;
  std::uint64_t life = 0;  ///< raised by a power cut: older handles are dead
  std::uint64_t capacity = 0;
  std::uint64_t operations = 0;
  std::size_t largest_read = 0;

  // 0, or the errno the operation is to fail with.
  int strike(Op op) {
    if (frozen) return EIO;
    if (op != kRead) ++operations;
    for (Fault& fault : faults) {
      if ((fault.ops & op) == 0 || fault.left == 0) continue;
      if (fault.left > 1) {
        --fault.left;
        continue;
      }
      if (!fault.sticky) fault.left = 0;
      struck = true;
      lands = fault.lands;
      return fault.code;
    }
    return 0;
  }
  [[nodiscard]] bool fits(const Inode& inode, std::uint64_t size) const {
    if (capacity == 0 || size <= inode.data.size()) return true;
    std::uint64_t used = 0;
    for (const auto& [name, other] : names) used += other->data.size();
    return used + (size - inode.data.size()) <= capacity;
  }
  std::shared_ptr<Inode> find(const std::string& path) const {
    const auto it = names.find(path);
    return it == names.end() ? nullptr : it->second;
  }
};

namespace {

tl::unexpected<IoError> failed(int code, const char* action, const std::string& path) {
  return tl::unexpected(make_io_error(code, action, path));
}

class MemoryFile final : public EnvFile {
 public:
  MemoryFile(std::shared_ptr<FaultEnv::State> state, std::shared_ptr<Inode> inode, std::string path,
             bool writable)
      : state_(std::move(state)),
        inode_(std::move(inode)),
        path_(std::move(path)),
        life_(state_->life),
        writable_(writable) {}

  IoResult<void> write_at(std::uint64_t offset, std::string_view data) override {
    const std::scoped_lock lock(state_->mutex);
    if (!writable_) return failed(EBADF, "write", path_);
    if (const int code = strike(kWrite); code != 0) {
      if (!state_->frozen && life_ == state_->life && state_->fits(*inode_, offset + data.size())) {
        const std::size_t prefix = state_->random() % (data.size() + 1);
        put(offset, data.substr(0, state_->lands ? data.size() : prefix));
      }
      return failed(code, "write", path_);
    }
    if (!state_->fits(*inode_, offset + data.size())) return failed(ENOSPC, "write", path_);
    put(offset, data);
    return {};
  }

  IoResult<void> read_at(std::uint64_t offset, std::size_t size, std::string& out) override {
    const std::scoped_lock lock(state_->mutex);
    if (const int code = strike(kRead); code != 0) return failed(code, "read", path_);
    state_->largest_read = std::max(state_->largest_read, size);
    out.clear();
    if (offset < inode_->data.size()) out = inode_->data.substr(offset, size);
    return {};
  }

  IoResult<void> sync() override {
    const std::scoped_lock lock(state_->mutex);
    if (const int code = strike(kSync); code != 0) {
      // As the kernel does: what failed counts as written from now on, and is not.
      if (!state_->frozen) inode_->dirty.clear();
      return failed(code, "fdatasync", path_);
    }
    inode_->sync();
    return {};
  }

  IoResult<void> preallocate(std::uint64_t size) override {
    const std::scoped_lock lock(state_->mutex);
    if (const int code = strike(kPreallocate); code != 0) return failed(code, "preallocate", path_);
    if (!state_->fits(*inode_, size)) return failed(ENOSPC, "preallocate", path_);
    if (size > inode_->data.size()) inode_->data.resize(size);
    return {};
  }

  IoResult<void> truncate(std::uint64_t size) override {
    const std::scoped_lock lock(state_->mutex);
    if (const int code = strike(kTruncate); code != 0) return failed(code, "truncate", path_);
    inode_->touch(size, inode_->data.size());
    inode_->data.resize(size);
    return {};
  }

  IoResult<std::uint64_t> size() override {
    const std::scoped_lock lock(state_->mutex);
    return inode_->data.size();
  }

 private:
  int strike(Op op) const { return life_ != state_->life ? EIO : state_->strike(op); }
  void put(std::uint64_t offset, std::string_view data) {
    if (offset + data.size() > inode_->data.size()) inode_->data.resize(offset + data.size());
    inode_->data.replace(offset, data.size(), data);
    inode_->touch(offset, offset + data.size());
  }

  std::shared_ptr<FaultEnv::State> state_;
  std::shared_ptr<Inode> inode_;
  std::string path_;
  std::uint64_t life_;
  bool writable_;
};

class MemoryMapping final : public EnvMapping {
 public:
  explicit MemoryMapping(std::shared_ptr<Inode> inode) : inode_(std::move(inode)) {}
  std::span<std::byte> bytes() noexcept override {
    return {reinterpret_cast<std::byte*>(inode_->data.data()), inode_->data.size()};
  }

 private:
  std::shared_ptr<Inode> inode_;
};

}  // namespace

FaultEnv::FaultEnv(std::uint64_t seed) : state_(std::make_shared<State>()) {
  state_->random.seed(seed);
}
FaultEnv::~FaultEnv() = default;

void FaultEnv::fail(unsigned ops, std::uint64_t nth, int code, bool sticky, bool lands) {
  const std::scoped_lock lock(state_->mutex);
  state_->faults.push_back({ops, nth, code, sticky, lands});
  state_->struck = false;
}

void FaultEnv::clear_faults() {
  const std::scoped_lock lock(state_->mutex);
  state_->faults.clear();
}

bool FaultEnv::fault_struck() const {
  const std::scoped_lock lock(state_->mutex);
  return state_->struck;
}

std::uint64_t FaultEnv::operations() const {
  const std::scoped_lock lock(state_->mutex);
  return state_->operations;
}

void FaultEnv::set_capacity(std::uint64_t bytes) {
  const std::scoped_lock lock(state_->mutex);
  state_->capacity = bytes;
}

void FaultEnv::set_memory_file_system(bool memory) {
  const std::scoped_lock lock(state_->mutex);
  state_->memory = memory;
}

void FaultEnv::freeze() {
  const std::scoped_lock lock(state_->mutex);
  state_->frozen = true;
}

void FaultEnv::thaw() {
  const std::scoped_lock lock(state_->mutex);
  state_->frozen = false;
}

void FaultEnv::power_cut() {
  const std::scoped_lock lock(state_->mutex);
  State& s = *state_;
  ++s.life;
  if (s.memory) {
    s.names.clear();
    s.durable_names.clear();
    return;
  }
  const auto coin = [&s] { return (s.random() & 1) != 0; };
  Names survivors = s.durable_names;
  for (const auto& [name, inode] : s.names) {
    const auto it = s.durable_names.find(name);
    if ((it == s.durable_names.end() || it->second != inode) && coin()) survivors[name] = inode;
  }
  for (const auto& [name, inode] : s.durable_names) {
    if (!s.names.contains(name) && coin()) survivors.erase(name);
  }
  std::map<Inode*, std::shared_ptr<Inode>> reborn;
  for (auto& [name, inode] : survivors) {
    auto& copy = reborn[inode.get()];
    if (!copy) {
      if (coin()) inode->durable.resize(inode->data.size());
      for (const std::size_t sector : inode->dirty) {
        if (coin()) inode->carry(sector);
      }
      copy = std::make_shared<Inode>();
      copy->data = inode->durable;
      copy->durable = inode->durable;
    }
    inode = copy;
  }
  s.names = survivors;
  s.durable_names = survivors;
}

void FaultEnv::damage(const std::string& path, std::uint64_t offset, unsigned char bits) {
  const std::scoped_lock lock(state_->mutex);
  const auto inode = state_->find(path);
  if (!inode || offset >= inode->data.size()) return;
  inode->data[offset] = static_cast<char>(static_cast<unsigned char>(inode->data[offset]) ^ bits);
  inode->touch(offset, offset + 1);
  inode->sync();
}

void FaultEnv::put_file(const std::string& path, std::string contents) {
  const std::scoped_lock lock(state_->mutex);
  auto inode = std::make_shared<Inode>();
  inode->data = contents;
  inode->durable = std::move(contents);
  state_->names[path] = inode;
  state_->durable_names[path] = inode;
}

std::string FaultEnv::contents(const std::string& path) const {
  const std::scoped_lock lock(state_->mutex);
  const auto inode = state_->find(path);
  return inode ? inode->data : std::string();
}

std::size_t FaultEnv::largest_read() const {
  const std::scoped_lock lock(state_->mutex);
  return state_->largest_read;
}

std::vector<std::string> FaultEnv::names() const {
  const std::scoped_lock lock(state_->mutex);
  std::vector<std::string> out;
  for (const auto& [name, inode] : state_->names) out.push_back(name);
  return out;
}

IoResult<std::unique_ptr<EnvFile>> FaultEnv::create_file(const std::string& path) {
  const std::scoped_lock lock(state_->mutex);
  if (const int code = state_->strike(kCreate); code != 0) return failed(code, "create", path);
  if (state_->find(path)) return failed(EEXIST, "create", path);
  auto inode = std::make_shared<Inode>();
  state_->names[path] = inode;
  return std::make_unique<MemoryFile>(state_, std::move(inode), path, true);
}

IoResult<std::unique_ptr<EnvFile>> FaultEnv::open_file(const std::string& path, bool writable) {
  const std::scoped_lock lock(state_->mutex);
  if (const int code = state_->strike(kRead); code != 0) return failed(code, "open", path);
  auto inode = state_->find(path);
  if (!inode) return failed(ENOENT, "open", path);
  return std::make_unique<MemoryFile>(state_, std::move(inode), path, writable);
}

IoResult<std::unique_ptr<EnvMapping>> FaultEnv::create_mapping(const std::string& path,
                                                               std::size_t size) {
  const std::scoped_lock lock(state_->mutex);
  for (const Op op : {kCreate, kPreallocate, kMap}) {
    if (const int code = state_->strike(op); code != 0) return failed(code, "map", path);
  }
  if (state_->find(path)) return failed(EEXIST, "create", path);
  auto inode = std::make_shared<Inode>();
  if (!state_->fits(*inode, size)) return failed(ENOSPC, "preallocate", path);
  inode->data.resize(size);
  inode->mapped = true;
  state_->names[path] = inode;
  return std::make_unique<MemoryMapping>(std::move(inode));
}

IoResult<std::unique_ptr<EnvMapping>> FaultEnv::create_anonymous(std::size_t size) {
  const std::scoped_lock lock(state_->mutex);
  if (const int code = state_->strike(kMap); code != 0) return failed(code, "map", "memory");
  auto inode = std::make_shared<Inode>();
  inode->data.resize(size);
  return std::make_unique<MemoryMapping>(std::move(inode));
}

IoResult<std::string> FaultEnv::read_file(const std::string& path) {
  const std::scoped_lock lock(state_->mutex);
  if (const int code = state_->strike(kRead); code != 0) return failed(code, "read", path);
  const auto inode = state_->find(path);
  if (!inode) return failed(ENOENT, "open", path);
  return inode->data;
}

IoResult<void> FaultEnv::rename_file(const std::string& from, const std::string& to) {
  const std::scoped_lock lock(state_->mutex);
  if (const int code = state_->strike(kRename); code != 0) return failed(code, "rename", from);
  const auto inode = state_->find(from);
  if (!inode) return failed(ENOENT, "rename", from);
  state_->names.erase(from);
  state_->names[to] = inode;
  return {};
}

IoResult<void> FaultEnv::remove_file(const std::string& path) {
  const std::scoped_lock lock(state_->mutex);
  if (const int code = state_->strike(kRemove); code != 0) return failed(code, "remove", path);
  if (state_->names.erase(path) == 0) return failed(ENOENT, "remove", path);
  return {};
}

IoResult<std::vector<std::string>> FaultEnv::list_directory(const std::string& path) {
  const std::scoped_lock lock(state_->mutex);
  if (const int code = state_->strike(kRead); code != 0) return failed(code, "list", path);
  std::vector<std::string> out;
  for (const auto& [name, inode] : state_->names) {
    if (parent_of(name) == path) out.push_back(name.substr(path.size() + 1));
  }
  std::shuffle(out.begin(), out.end(), state_->random);
  return out;
}

IoResult<void> FaultEnv::make_directories(const std::string&) { return {}; }

IoResult<void> FaultEnv::sync_directory(const std::string& path) {
  const std::scoped_lock lock(state_->mutex);
  if (const int code = state_->strike(kSyncDirectory); code != 0) {
    return failed(code, "fsync", path);
  }
  std::erase_if(state_->durable_names,
                [&](const auto& entry) { return parent_of(entry.first) == path; });
  for (const auto& [name, inode] : state_->names) {
    if (parent_of(name) == path) state_->durable_names[name] = inode;
  }
  return {};
}

bool FaultEnv::exists(const std::string& path) {
  const std::scoped_lock lock(state_->mutex);
  return state_->find(path) != nullptr;
}

bool FaultEnv::is_memory_file_system(const std::string&) {
  const std::scoped_lock lock(state_->mutex);
  return state_->memory;
}

std::uint64_t FaultEnv::random_bits() {
  const std::scoped_lock lock(state_->mutex);
  return 0x9E3779B97F4A7C15U * ++state_->nonces;
}

}  // namespace vxs::store::test
