#include "store/history/open_fold.hh"

namespace vxs::store {

void OpenFold::add(const MessageParts& parts, std::span<const ShownChange> changes,
                   std::int64_t time) {
  if (empty()) {
    parts_ = parts;
    command_ = parts.origin.command;
    note_ = parts.note;
    boot_id_ = parts.boot_id;
    parts_.origin.command = command_;
    parts_.note = note_;
    parts_.boot_id = boot_id_;
  } else if (parts.origin.domid != parts_.origin.domid) {
    one_domain_ = false;
  }
  MessageParts record = parts;
  record.changes = changes;
  append_record_lines(lines_, record, time);
  for (const ShownChange& change : changes) {
    ShownChange& kept = changes_.emplace_back(change);
    kept.path = paths_.emplace_back(change.path);
  }
  parts_.changes = changes_;
  last_seq_ = parts.seq;
  time_ = time;
  ++count_;
}

std::string OpenFold::message() const {
  if (count_ == 1) return make_message(parts_);
  return make_folded_message({.first = parts_,
                              .last_seq = last_seq_,
                              .count = count_,
                              .one_domain = one_domain_,
                              .lines = lines_});
}

void OpenFold::clear() {
  parts_ = {};
  paths_.clear();
  changes_.clear();
  lines_.clear();
  count_ = 0;
  one_domain_ = true;
}

}  // namespace vxs::store
