#include "store/history/repository_files.hh"

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

namespace vxs::store {
namespace {

constexpr std::string_view kConfig =
    "[core]\n"
    "\trepositoryformatversion = 0\n"
    "\tfilemode = true\n"
    "\tbare = true\n"
    "\tlogAllRefUpdates = false\n"
    "\tsharedRepository = 0600\n"
    "[gc]\n"
    "\tauto = 0\n"
    "[vxenstored]\n"
    "\tlayout = 1\n";

std::string readme(const HistoryOptions& options) {
  return "The history of the Xenstore of host " + options.host + ", written by vxenstored " +
         options.version +
         ".\n\n"
         "Every change of the tree is a commit of the branch main; a transaction that ran beside\n"
         "another is a branch; one that failed is a commit under refs/conflicts. A node without\n"
         "children is a file (its value and one newline), one with children a directory with\n"
         ".value and .meta (creation, permissions). Children of large directories lie in buckets\n"
         "(~12xx/1234). Values are what guests wrote: do not show them raw on a terminal.\n\n"
         "    git log --oneline --graph main\n"
         "    git log --full-history -p -- PATH\n"
         "    git for-each-ref refs/conflicts\n\n"
         "docs/git-layout.md of vxenstored explains everything; the tool vxs knows it all.\n"
         "Only vxenstored writes here: clone it to do anything else.\n";
}

std::string flat_name(std::string name) {
  std::ranges::replace(name, '/', '-');
  return name;
}

}  // namespace

HistoryResult<void> RepositoryFiles::sync_directory(const std::string& path) {
  if (!sync_) return {};
  if (const auto done = env_.sync_directory(path); !done) return io_failed(done.error());
  return {};
}

void RepositoryFiles::discard(const std::string& path) {
  if (env_.exists(path) && !env_.remove_file(path)) litter_.push_back(path);
}

HistoryResult<void> RepositoryFiles::clear_litter() {
  while (!litter_.empty()) {
    if (env_.exists(litter_.back())) {
      const auto done = env_.remove_file(litter_.back());
      if (!done) return io_failed(done.error());
    }
    litter_.pop_back();
  }
  return {};
}

HistoryResult<void> RepositoryFiles::write_new(const std::string& path, std::string_view text) {
  return write_new(path, [text](EnvFile& file) { return file.write_at(0, text); });
}

HistoryResult<void> RepositoryFiles::write_new(const std::string& path, const Fill& fill) {
  // The file must be closed before anybody renames or removes it, and gone if it is not whole.
  const auto make = [&]() -> IoResult<void> {
    auto file = env_.create_file(path);
    if (!file) return tl::unexpected(file.error());
    if (auto done = fill(**file); !done) return done;
    return sync_ ? (*file)->sync() : IoResult<void>{};
  };
  const auto done = make();
  if (done) return {};
  if (done.error().code != EEXIST) discard(path);
  return io_failed(done.error());
}

HistoryResult<void> RepositoryFiles::replace_file(const std::string& name, std::string_view text) {
  return replace_with(name, [text](EnvFile& file) { return file.write_at(0, text); });
}

HistoryResult<void> RepositoryFiles::replace_with(const std::string& name, const Fill& fill) {
  if (const auto done = clear_litter(); !done) return done;
  const std::string temporary = path_ + "/vxenstored/tmp/" + flat_name(name);
  if (const auto done = write_new(temporary, fill); !done) return done;
  const std::string target = path_ + "/" + name;
  if (const auto done = env_.rename_file(temporary, target); !done) {
    discard(temporary);
    return io_failed(done.error());
  }
  return sync_directory(target.substr(0, target.rfind('/')));
}

HistoryResult<void> RepositoryFiles::write_locked(const std::string& name, std::string_view text) {
  if (const auto done = clear_litter(); !done) return done;
  const std::string target = path_ + "/" + name;
  const std::string lock = target + ".lock";
  if (const auto done = write_new(lock, text); !done) return done;
  if (const auto done = env_.rename_file(lock, target); !done) {
    discard(lock);
    return io_failed(done.error());
  }
  return sync_directory(target.substr(0, target.rfind('/')));
}

HistoryResult<void> RepositoryFiles::make_skeleton(const HistoryOptions& options) {
  for (const char* directory : {"/vxenstored/tmp", "/objects/pack", "/objects/info", "/refs/heads",
                                "/refs/tags", "/info"}) {
    if (const auto done = env_.make_directories(path_ + directory); !done) {
      return io_failed(done.error());
    }
  }
  const std::array<std::pair<const char*, std::string>, 5> files{{
      {"config", std::string(kConfig)},
      {"description", "Xenstore history of " + options.host + "\n"},
      {"README", readme(options)},
      {"info/exclude", ""},
      {"HEAD", "ref: refs/heads/main\n"},
  }};
  for (const auto& [name, text] : files) {
    // What an earlier attempt left
    if (const auto done = remove("vxenstored/tmp/" + flat_name(name)); !done) return done;
    if (const auto done = replace_file(name, text); !done) return done;
  }
  return {};
}

HistoryResult<void> RepositoryFiles::clean_up() {
  if (const auto done = env_.make_directories(path_ + "/vxenstored/tmp"); !done) {
    return io_failed(done.error());
  }
  const auto remove_in = [this](const std::string& directory,
                                auto&& is_stale) -> HistoryResult<void> {
    const auto names = env_.list_directory(path_ + directory);
    if (!names) return io_failed(names.error());
    for (const std::string& name : *names) {
      if (!is_stale(name)) continue;
      const auto done = env_.remove_file(path_ + directory + name);
      if (!done) return io_failed(done.error());
    }
    return {};
  };
  const auto names = pack_names();
  if (!names) return tl::unexpected(names.error());
  const auto lacks_index = [&](const std::string& name) {
    if (!name.ends_with(".pack")) return name.ends_with(".lock");
    const std::string index = name.substr(0, name.size() - 5) + ".idx";
    return std::ranges::find(*names, index) == names->end();
  };
  const auto is_lock = [](const std::string& name) {
    return name == "main.lock" || name == "packed-refs.lock";
  };
  const auto any = [](const std::string&) { return true; };
  if (const auto done = remove_in("/vxenstored/tmp/", any); !done) return done;
  if (const auto done = remove_in("/objects/pack/", lacks_index); !done) return done;
  if (const auto done = remove_in("/refs/heads/", is_lock); !done) return done;
  return remove_in("/", is_lock);
}

HistoryResult<void> RepositoryFiles::prepare(const HistoryOptions& options) {
  if (!env_.exists(path_ + "/HEAD")) {
    if (const auto done = make_skeleton(options); !done) return done;
  }
  return clean_up();
}

HistoryResult<std::vector<std::string>> RepositoryFiles::pack_names() {
  auto names = env_.list_directory(path_ + "/objects/pack");
  if (!names) return io_failed(names.error());
  return *std::move(names);
}

PackSpool RepositoryFiles::spool(std::string_view name, std::size_t memory) {
  return {.env = &env_,
          .path = path_ + "/vxenstored/tmp/" + std::string(name),
          .memory = memory,
          .sync = sync_};
}

HistoryResult<void> RepositoryFiles::publish_pack(const FinishedPack& pack) {
  if (const auto done = clear_litter(); !done) return done;
  const bool spooled = !pack.pack.spooled.empty();
  const std::string name = "pack-" + pack.pack.checksum.hex();
  const std::string temporary = path_ + "/vxenstored/tmp/" + name;
  const std::string target = path_ + "/objects/pack/" + name;
  // The same pack may have become visible before an earlier try failed (or before a crash).
  if (env_.exists(target + ".idx") && env_.exists(target + ".pack")) {
    return sync_directory(path_ + "/objects/pack");
  }
  const std::string source = spooled ? pack.pack.spooled : temporary + ".pack";
  if (!spooled) {
    if (const auto done = write_new(source, pack.pack.bytes); !done) return done;
  }
  if (const auto done = write_new(temporary + ".idx", pack.index); !done) {
    if (!spooled) discard(source);
    return done;
  }
  auto moved = env_.rename_file(source, target + ".pack");
  if (moved) {
    moved = env_.rename_file(temporary + ".idx", target + ".idx");
    if (moved) return sync_directory(path_ + "/objects/pack");
  }
  // A pack without index is invisible; the next try may have another name.
  if (!spooled) discard(source);
  for (const std::string& file : {temporary + ".idx", target + ".pack"}) discard(file);
  return io_failed(moved.error());
}

HistoryResult<void> RepositoryFiles::write_main(const ObjectId& id) {
  return write_locked("refs/heads/main", id.hex() + '\n');
}

HistoryResult<void> RepositoryFiles::write_packed_refs(std::string_view text) {
  return write_locked("packed-refs", text);
}

HistoryResult<std::string> RepositoryFiles::read_packed_refs() {
  if (!env_.exists(path_ + "/packed-refs")) return std::string();
  auto text = env_.read_file(path_ + "/packed-refs");
  if (!text) return io_failed(text.error());
  return *std::move(text);
}

HistoryResult<ObjectId> RepositoryFiles::read_main() {
  constexpr std::string_view kMain = " refs/heads/main";
  const std::string loose = path_ + "/refs/heads/main";
  std::string text;
  if (env_.exists(loose)) {
    auto read = env_.read_file(loose);
    if (!read) return io_failed(read.error());
    text = *std::move(read);
  } else {
    // Somebody ran `git pack-refs --all`.
    const auto packed = read_packed_refs();
    if (!packed) return tl::unexpected(packed.error());
    const std::size_t at = packed->find(std::string(kMain) + '\n');
    if (at == std::string::npos || at < 40) return ObjectId{};
    text = packed->substr(at - 40, 40);
  }
  if (text.ends_with('\n')) text.pop_back();
  const auto id = ObjectId::from_hex(text);
  if (!id) return damaged(loose + " is damaged: it should hold a commit's name");
  return *id;
}

HistoryResult<std::string> RepositoryFiles::read_own(std::string_view name) {
  const std::string path = path_ + "/vxenstored/" + std::string(name);
  if (!env_.exists(path)) return std::string();
  auto text = env_.read_file(path);
  if (!text) return io_failed(text.error());
  return *std::move(text);
}

HistoryResult<void> RepositoryFiles::write_own(std::string_view name, std::string_view text) {
  return replace_file("vxenstored/" + std::string(name), text);
}

HistoryResult<void> RepositoryFiles::remove(const std::string& name) {
  const std::string path = path_ + "/" + name;
  if (!env_.exists(path)) return {};
  if (const auto done = env_.remove_file(path); !done) return io_failed(done.error());
  return {};
}

}  // namespace vxs::store
