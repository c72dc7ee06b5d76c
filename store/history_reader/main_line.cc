#include "store/history_reader/main_line.hh"

#include <fmt/format.h>

#include "store/history_reader/fold.hh"

namespace vxs::store::reader {
namespace {

std::string_view bytes_of(const GitOdbObject& object) {
  return {static_cast<const char*>(git_odb_object_data(object.get())),
          git_odb_object_size(object.get())};
}

}  // namespace

ReadResult<HistoryCommit> read_commit(const Repository& repository, const ObjectId& id) {
  const auto object = repository.object(id, GIT_OBJECT_COMMIT);
  if (!object) return tl::make_unexpected(object.error());
  return parse_commit(id, bytes_of(*object));
}

ReadResult<CommitHead> read_commit_head(const Repository& repository, const ObjectId& id) {
  const auto object = repository.object(id, GIT_OBJECT_COMMIT);
  if (!object) return tl::make_unexpected(object.error());
  return parse_commit_head(id, bytes_of(*object));
}

ReadResult<void> walk_main(
    const Repository& repository, const ObjectId& start,
    const std::function<bool(const ObjectId& id, const CommitHead& head)>& visit) {
  ObjectId id = start;
  while (!id.is_null()) {
    const auto head = read_commit_head(repository, id);
    if (!head) return tl::make_unexpected(head.error());
    if (!visit(id, *head)) return {};
    id = head->first_parent;
  }
  return {};
}

ReadResult<ObjectId> resolve_moment(const Repository& repository, const Moment& moment) {
  if (moment.kind == Moment::Kind::kCommit) {
    const auto id = repository.expand(moment.commit);
    if (!id) return id;
    const auto commit = repository.object(*id, GIT_OBJECT_COMMIT);
    if (!commit) return not_found(fmt::format("{} is no commit", moment.commit));
    return id;
  }
  const auto head = repository.main_head();
  if (!head || moment.kind == Moment::Kind::kHead) return head;
  ObjectId found;
  CommitHead oldest;
  Seq newest = 0;
  const auto done = walk_main(repository, *head, [&](const ObjectId& id, const CommitHead& commit) {
    if (newest == 0) newest = commit.seq;
    oldest = commit;
    // Of a Seq within a folded commit there is no tree but the one after all of them.
    const bool reached = moment.kind == Moment::Kind::kSeq
                             ? commit.first_seq <= moment.seq && !commit.split
                             : commit.committer_time * 1'000'000 <= moment.time_us;
    if (reached) found = id;
    return !reached;
  });
  if (!done) return tl::make_unexpected(done.error());
  if (moment.kind == Moment::Kind::kSeq && moment.seq > newest) {
    return not_found(
        fmt::format("history has not reached Seq {}: it is at Seq {}", moment.seq, newest));
  }
  if (found.is_null()) {
    return not_found(fmt::format("history begins later, with Seq {} at {}", oldest.seq,
                                 format_local_time(oldest.committer_time * 1'000'000)));
  }
  return found;
}

ReadResult<ObjectId> find_seq(const Repository& repository, Seq seq) {
  const auto conflict = repository.ref(fmt::format("refs/conflicts/{}", seq));
  if (conflict || conflict.error().kind != ReadError::Kind::kNotFound) return conflict;
  const auto head = repository.main_head();
  if (!head) return head;
  ObjectId found;
  const auto done = walk_main(repository, *head, [&](const ObjectId& id, const CommitHead& commit) {
    const bool holds = commit.first_seq <= seq && seq <= commit.seq && !commit.split;
    if (holds) found = id;
    return !holds && commit.seq >= seq;
  });
  if (!done) return tl::make_unexpected(done.error());
  if (!found.is_null()) {
    const auto commit = read_commit(repository, found);
    if (!commit) return tl::make_unexpected(commit.error());
    if (commit->fold_range() && !find_record(*commit, seq)) found = {};
  }
  if (found.is_null()) {
    return not_found(fmt::format(
        "no commit has Seq {}: history has not reached it, no longer holds it, or it changed no "
        "node",
        seq));
  }
  return found;
}

}  // namespace vxs::store::reader
