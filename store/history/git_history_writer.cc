#include "store/history/git_history_writer.hh"

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

#include "protocol/escape.hh"
#include "store/history/commit_object.hh"
#include "store/history/snapshot_builder.hh"

namespace vxs::store {
namespace {

constexpr std::uint64_t kPackCommits = 2000;
constexpr std::size_t kPackBytes = 8U << 20U;
constexpr std::size_t kShownValues = 32768;

std::int64_t seconds(std::int64_t time_us) noexcept {
  return std::max<std::int64_t>(0, time_us / 1'000'000);
}

}  // namespace

GitHistoryWriter::GitHistoryWriter(Env& env, const HistoryOptions& options)
    : options_(options),
      redaction_(options.redact),
      files_(env, options.repository, options.sync),
      rate_(options.fold_rate, options.without_fold_rate) {
  options_.boot_id = plain_word(options.boot_id);
  options_.host = plain_word(options.host);
  host_ = options_.host.empty() ? "localhost" : options_.host;
}

HistoryResult<void> GitHistoryWriter::open() {
  if (auto done = files_.prepare(options_); !done) return done;
  auto objects = ObjectStore::open(options_.repository);
  if (!objects) return tl::unexpected(objects.error());
  objects_ = std::make_unique<ObjectStore>(*std::move(objects));
  objects_->pack().spool_to(files_.spool("open", options_.pack_bytes));
  shadow_ = std::make_unique<ShadowTree>(*objects_);
  shadow_->redact(&redaction_);
  window_ = std::make_unique<CommitWindow>(*objects_);
  keeper_ = std::make_unique<PackKeeper>(files_, *objects_);
  boot_id_ = options_.boot_id;
  if (auto done = read_head(); !done) return done;
  if (auto done = keeper_->open(); !done) return done;
  // A writer that is opened again and again, since the disk is full, never comes to maintain().
  if (auto removed = keeper_->remove_due(); !removed) keeper_error_ = removed.error();
  stats_.packs = keeper_->pack_count();
  return {};
}

HistoryResult<void> GitHistoryWriter::read_head() {
  const auto main = files_.read_main();
  if (!main) return tl::unexpected(main.error());
  const auto noted = files_.read_own("noted");
  if (!noted) return tl::unexpected(noted.error());
  std::string_view rest = *noted;
  const auto word = [&rest] {
    const std::string_view text = rest.substr(0, rest.find_first_of(" \n"));
    rest.remove_prefix(std::min(rest.size(), text.size() + 1));
    return text;
  };
  if (!main->is_null()) {
    if (auto read = objects_->read(*main, ObjectType::kCommit, scratch_); !read) return read;
    const auto commit = parse_commit(scratch_);
    const Seq seq = !commit ? 0
                            : std::max(number_trailer(commit->message, "Seq"),
                                       number_trailer(commit->message, "After-Seq"));
    if (seq == 0) return damaged("commit " + main->hex() + " of main is not one of the history's");
    head_ = {*main, commit->tree, seq, commit->committer_time};
    window_->push({seq, head_.commit, head_.tree, first_seq_trailer(commit->message, seq)});
    if (const auto boot = text_trailer(commit->message, "Boot"); !boot.empty()) boot_id_ = boot;
  }
  last_added_ = head_.seq;
  // "<head> <seq> <boot>": records after the head that needed no commit.
  if (word() == head_.commit.hex()) {
    const std::string_view number = word();
    Seq seq = 0;
    std::from_chars(number.data(), number.data() + number.size(), seq);
    last_added_ = std::max(last_added_, seq);
    if (const auto boot = word(); !boot.empty()) boot_id_ = boot;
  }
  durable_seq_ = last_added_;
  return {};
}

HistoryResult<void> GitHistoryWriter::ready_shadow() {
  if (shadow_ready_) return {};
  if (head_.commit.is_null()) {
    shadow_->start_empty();
  } else if (auto done = shadow_->open(head_.tree); !done) {
    return done;
  }
  shadow_ready_ = true;
  return {};
}

HistoryResult<void> GitHistoryWriter::add(const Record& record) {
  const Seq seq = std::visit([](const auto& one) { return one.seq; }, record);
  if (broken_) return tl::unexpected(*broken_);
  if (seq <= last_added_) return {};
  auto done = add_record(record);
  if (!done) {
    shadow_ready_ = false;  // it may have half of the record
    if (!fold_.empty()) broken_ = done.error();
    return done;
  }
  last_added_ = seq;
  if (!fold_.empty()) return {};  // the shadow tree is not flushed
  if (shadow_->memory() > options_.cache_bytes / 4 * 5) shadow_->trim(options_.cache_bytes);
  return {};
}

HistoryResult<void> GitHistoryWriter::add_record(const Record& record) {
  if (std::holds_alternative<StateRecord>(record)) return {};  // the tree is as it was
  if (auto ready = ready_shadow(); !ready) return ready;
  if (const auto* commit = std::get_if<CommitRecord>(&record)) return add_commit(*commit);
  if (const auto* conflict = std::get_if<ConflictRecord>(&record)) return add_conflict(*conflict);
  return add_start(std::get<StartRecord>(record));
}

HistoryResult<void> GitHistoryWriter::add_start(const StartRecord& record) {
  if (auto done = close_fold(); !done) return done;
  boot_id_ = plain_word(record.boot_id);
  return {};
}

std::string GitHistoryWriter::author_of(const MessageParts& parts) const {
  const std::string name =
      parts.by_daemon ? "vxenstored" : "dom" + std::to_string(parts.origin.domid);
  return name + " <" + name + '@' + host_ + '>';
}

ObjectId GitHistoryWriter::write_commit(const ObjectId& tree, std::span<const ObjectId> parents,
                                        std::string_view author, std::int64_t time,
                                        std::string_view message) {
  scratch_.clear();
  const std::string committer = "vxenstored <vxenstored@" + host_ + '>';
  append_commit(scratch_, {.tree = tree,
                           .parents = parents,
                           .author = author,
                           .author_time = time,
                           .committer = committer,
                           .committer_time = std::max(time, head_.time),
                           .message = message});
  const ObjectId id = objects_->hasher().hash(ObjectType::kCommit, scratch_);
  objects_->pack().add(id, ObjectType::kCommit, scratch_);
  return id;
}

void GitHistoryWriter::advance(const ObjectId& commit, const ObjectId& tree, Seq seq,
                               std::int64_t time, Seq first_seq) {
  head_ = {commit, tree, seq, std::max(time, head_.time)};
  window_->push({seq, commit, tree, first_seq == 0 ? seq : first_seq});
  main_moved_ = true;
  ++open_commits_;
  ++stats_.commits;
}

void GitHistoryWriter::remember(const StoredValue& stored, std::string_view value) {
  if (stored.id.is_null()) return;
  if (shown_.size() >= kShownValues) shown_.clear();
  shown_.try_emplace(stored.id, shown_value(value));
}

HistoryResult<std::string> GitHistoryWriter::show(const StoredValue& stored) {
  if (stored.id.is_null()) return shown_value({});
  if (const auto known = shown_.find(stored.id); known != shown_.end()) return known->second;
  std::string text;
  if (const auto read = objects_->read(stored.id, ObjectType::kBlob, text); !read) {
    return tl::unexpected(read.error());
  }
  if (text.ends_with('\n')) text.pop_back();
  if (stored.mode == EntryMode::kEscaped) text = protocol::unescape(text).value_or(text);
  remember(stored, text);
  return shown_value(text);
}

HistoryResult<std::vector<ShownChange>> GitHistoryWriter::apply_all(ShadowTree& tree,
                                                                    std::span<const Change> changes,
                                                                    Seq seq, bool loosely,
                                                                    bool with_values) {
  std::vector<ShownChange> shown;
  shown.reserve(changes.size());
  for (const Change& change : changes) {
    const auto note = loosely ? tree.apply_loosely(change, seq) : tree.apply(change, seq);
    if (!note) return tl::unexpected(note.error());
    ShownChange& entry = shown.emplace_back();
    entry.kind = change.kind;
    entry.implicit = change.implicit;
    entry.parent_became = note->parent_became;
    entry.path = change.path;
    if (!with_values) continue;
    if (change.kind == ChangeKind::kSetPerms) {
      if (change.perms) append_permissions(entry.value, change.perms->entries());
      continue;
    }
    if (change.kind == ChangeKind::kRemove) continue;
    if (redaction_.hides(change.path, change.value)) {
      entry.value = kRedacted;
      continue;
    }
    remember(note->new_value, change.value);
    if (change.kind == ChangeKind::kWrite) {
      auto old = show(note->old_value);
      if (!old) return tl::unexpected(old.error());
      entry.value = *std::move(old) + "→";
    }
    entry.value += shown_value(change.value);
  }
  return shown;
}

HistoryResult<GitHistoryWriter::Branch> GitHistoryWriter::write_branch(
    const CommitWindow::Found& base, std::span<const Change> changes, MessageParts parts,
    std::int64_t time) {
  ShadowTree tree(*objects_, shadow_.get());
  if (const auto opened = tree.open(base.tree); !opened) return tl::unexpected(opened.error());
  const auto shown = apply_all(tree, changes, parts.seq, true, true);
  if (!shown) return tl::unexpected(shown.error());
  const auto root = tree.flush();
  if (!root) return tl::unexpected(root.error());
  parts.changes = *shown;
  // Another than the transaction's own: too old for the window, or folded with later ones.
  if (base.seq > parts.base_seq || base.older) parts.base_used = base.seq;
  const std::string message = make_message(parts);
  return Branch{write_commit(*root, {&base.commit, 1}, author_of(parts), time, message), base};
}

HistoryResult<void> GitHistoryWriter::add_commit(const CommitRecord& record) {
  const std::int64_t time = seconds(record.time_us);
  MessageParts parts;
  parts.seq = record.seq;
  parts.origin = record.origin;
  parts.by_daemon = record.kind == CommitKind::kDaemon;
  parts.in_transaction =
      record.kind == CommitKind::kTransaction || record.kind == CommitKind::kMerge;
  parts.tx_id = record.tx_id;
  parts.base_seq = record.base_seq;
  parts.note = record.note;
  parts.boot_id = boot_id_;

  if (!parts.by_daemon && !head_.commit.is_null()) {
    const unsigned most = rate_.next(record.origin.domid, record.time_us, lag_us_);
    if (most > 1) return fold(record, parts, most);
  }
  if (auto done = close_fold(); !done) return done;
  std::array<ObjectId, 2> parents{head_.commit, ObjectId{}};
  std::size_t parent_count = head_.commit.is_null() ? 0 : 1;
  if (record.kind == CommitKind::kMerge && parent_count == 1) {
    const auto base = window_->find(record.base_seq);
    if (!base) return tl::unexpected(base.error());
    if (base->commit != head_.commit) {
      parts.kind = MessageKind::kBranch;
      const auto branch = write_branch(*base, record.changes, parts, time);
      if (!branch) return tl::unexpected(branch.error());
      parents[parent_count++] = branch->commit;
      parts.kind = MessageKind::kMerge;
    }
  }

  const bool with_values = parts.kind == MessageKind::kOrdinary;
  const auto shown = apply_all(*shadow_, record.changes, record.seq, false, with_values);
  if (!shown) return tl::unexpected(shown.error());
  const auto root = shadow_->flush();
  if (!root) return tl::unexpected(root.error());
  parts.changes = *shown;
  const ObjectId commit = write_commit(*root, std::span(parents).first(parent_count),
                                       author_of(parts), time, make_message(parts));
  advance(commit, *root, record.seq, time);
  return add_splits(record.seq, time);
}

HistoryResult<void> GitHistoryWriter::fold(const CommitRecord& record, const MessageParts& parts,
                                           unsigned most) {
  const auto shown = apply_all(*shadow_, record.changes, record.seq, false, true);
  if (!shown) return tl::unexpected(shown.error());
  fold_.add(parts, *shown, seconds(record.time_us));
  return fold_.count() >= most || fold_.is_full() ? close_fold() : HistoryResult<void>{};
}

HistoryResult<void> GitHistoryWriter::close_fold() {
  if (fold_.empty()) return {};
  const auto root = shadow_->flush();
  if (!root) {
    broken_ = root.error();
    return tl::unexpected(root.error());
  }
  const ObjectId parent = head_.commit;
  MessageParts author = fold_.parts();
  author.by_daemon = !fold_.one_domain();
  const Seq seq = fold_.seq();
  const Seq first_seq = fold_.parts().seq;
  const std::int64_t time = fold_.time();
  const ObjectId commit =
      write_commit(*root, {&parent, 1}, author_of(author), time, fold_.message());
  if (fold_.count() > 1) stats_.folded += fold_.count();
  fold_.clear();
  advance(commit, *root, seq, time, first_seq);
  return add_splits(seq, time);
}

HistoryResult<void> GitHistoryWriter::add_splits(Seq seq, std::int64_t time) {
  for (const std::string& path : shadow_->take_splits()) {
    const auto split = shadow_->split(path);
    if (!split) return tl::unexpected(split.error());
    if (!*split) continue;
    const auto root = shadow_->flush();
    if (!root) return tl::unexpected(root.error());
    MessageParts daemon;
    daemon.by_daemon = true;
    const ObjectId parent = head_.commit;
    const ObjectId commit = write_commit(*root, {&parent, 1}, author_of(daemon), time,
                                         make_split_message(path, seq, boot_id_));
    advance(commit, *root, seq, time);
  }
  return {};
}

HistoryResult<void> GitHistoryWriter::add_conflict(const ConflictRecord& record) {
  if (head_.commit.is_null()) return {};  // nothing it could be based on
  if (auto done = close_fold(); !done) return done;
  if (!ring_loaded_) {
    const auto packed = files_.read_packed_refs();
    if (!packed) return tl::unexpected(packed.error());
    ring_.load(*packed, *objects_);
    ring_loaded_ = true;
  }
  const auto base = window_->find(record.base_seq);
  if (!base) return tl::unexpected(base.error());
  MessageParts parts;
  parts.kind = MessageKind::kConflict;
  parts.seq = record.seq;
  parts.origin = record.origin;
  parts.in_transaction = true;
  parts.tx_id = record.tx_id;
  parts.base_seq = record.base_seq;
  parts.conflict = &record;
  parts.boot_id = boot_id_;
  const auto branch = write_branch(*base, record.changes, parts, seconds(record.time_us));
  if (!branch) return tl::unexpected(branch.error());
  ring_.add(record.seq, record.origin.domid, branch->commit);
  ring_changed_ = true;
  ++stats_.conflicts;
  return {};
}

HistoryResult<void> GitHistoryWriter::add_snapshot(const Tree& tree, Seq seq, std::int64_t time_us,
                                                   Seq gap_from, Seq gap_to, std::uint64_t changes,
                                                   std::string_view reason) {
  if (broken_) return tl::unexpected(*broken_);
  if (seq <= last_added_ && !head_.commit.is_null()) return {};
  if (auto ready = ready_shadow(); !ready) return ready;
  if (auto done = close_fold(); !done) return done;
  const auto root = build_snapshot(tree, seq, *shadow_, *objects_, options_.cache_bytes);
  if (!root) return tl::unexpected(root.error());
  shadow_ready_ = false;
  if (auto done = shadow_->open(*root); !done) return done;
  MessageParts daemon;
  daemon.by_daemon = true;
  const std::string message = make_snapshot_message({.seq = seq,
                                                     .gap_from = gap_from,
                                                     .gap_to = gap_to,
                                                     .changes = changes,
                                                     .reason = reason,
                                                     .boot_id = boot_id_});
  const ObjectId parent = head_.commit;
  const std::size_t parents = parent.is_null() ? 0 : 1;
  const std::int64_t time = seconds(time_us);
  const ObjectId commit =
      write_commit(*root, std::span(&parent, 1).first(parents), author_of(daemon), time, message);
  advance(commit, *root, seq, time);
  last_added_ = seq;
  shadow_ready_ = true;
  return {};
}

bool GitHistoryWriter::pack_is_full() const noexcept {
  return open_commits_ >= kPackCommits || objects_->pack().bytes() >= kPackBytes;
}

HistoryResult<void> GitHistoryWriter::publish_conflicts() {
  if (!ring_changed_) return {};
  const auto packed = files_.read_packed_refs();
  if (!packed) return tl::unexpected(packed.error());
  if (auto done = files_.write_packed_refs(ring_.merged_into(*packed)); !done) return done;
  ring_changed_ = false;
  return {};
}

HistoryResult<void> GitHistoryWriter::publish() {
  if (broken_) return tl::unexpected(*broken_);
  if (auto done = close_fold(); !done) {
    broken_ = done.error();
    return done;
  }
  PackBuilder& pack = objects_->pack();
  if (pack.object_count() > 0) {
    const auto finished = pack.finish(objects_->hasher());
    if (!finished) return tl::unexpected(finished.error());
    if (auto done = files_.publish_pack(*finished); !done) return done;
    pack.reset();
    open_commits_ = 0;
    stats_.objects += finished->objects;
    stats_.bytes += finished->pack.size + finished->index.size();
    keeper_->added(finished->pack.checksum, finished->pack.size);
    stats_.packs = keeper_->pack_count();
  }
  if (auto done = publish_conflicts(); !done) return done;
  if (main_moved_) {
    if (auto done = files_.write_main(head_.commit); !done) return done;
    main_moved_ = false;
  }
  if (last_added_ > head_.seq && last_added_ > durable_seq_) {
    const std::string text =
        head_.commit.hex() + ' ' + std::to_string(last_added_) + ' ' + boot_id_ + '\n';
    if (auto done = files_.write_own("noted", text); !done) return done;
  }
  durable_seq_ = last_added_;
  if (shadow_ready_) shadow_->trim(options_.cache_bytes);
  // What cannot be joined now is maintain()'s to report: everything added is visible.
  const auto room = keeper_->make_room();
  if (!room && !keeper_error_) keeper_error_ = room.error();
  stats_.packs = keeper_->pack_count();
  return {};
}

HistoryResult<bool> GitHistoryWriter::maintain() {
  if (keeper_error_) return tl::unexpected(*std::exchange(keeper_error_, std::nullopt));
  auto more = keeper_->step();
  stats_.packs = keeper_->pack_count();
  return more;
}

void GitHistoryWriter::rest() noexcept {
  objects_->close();
  objects_->pack().shrink();
  decltype(shown_)().swap(shown_);
  std::string().swap(scratch_);
}

HistoryStats GitHistoryWriter::stats() const {
  HistoryStats stats = stats_;
  stats.cache_bytes = shadow_->memory();
  return stats;
}

HistoryResult<std::unique_ptr<HistoryWriter>> open_history_writer(Env& env,
                                                                  const HistoryOptions& options) {
  auto writer = std::make_unique<GitHistoryWriter>(env, options);
  if (const auto opened = writer->open(); !opened) return tl::unexpected(opened.error());
  return writer;
}

}  // namespace vxs::store
