#include "store/journal/scan.hh"

#include <algorithm>
#include <utility>

namespace vxs::store {

SegmentScan::SegmentScan(std::string_view file, const SegmentIdentity& identity, Seq first_seq,
                         bool same_boot)
    : file_(file),
      identity_(identity),
      same_boot_(same_boot),
      seed_(identity.seed()),
      expected_(first_seq) {
  end_ = identity.kind == SegmentKind::kMapped ? decode_published(file) : file.size();
  if (end_ == 0) end_ = kSegmentHeaderBytes;  // mapped, nothing published
}

SegmentScan::Step SegmentScan::stop(Step step, std::string reason) {
  reason_ = std::move(reason);
  end_ = std::min<std::uint64_t>(std::max(end_, offset_), file_.size());
  return step;
}

SegmentScan::Step SegmentScan::next() {
  return identity_.kind == SegmentKind::kMapped ? next_mapped() : next_written();
}

SegmentScan::Step SegmentScan::next_mapped() {
  if (offset_ == end_) return Step::kEnd;
  const std::uint64_t readable = std::min<std::uint64_t>(end_, file_.size());
  std::optional<Frame> frame;
  if (offset_ < readable) frame = parse_frame(file_.substr(offset_, readable - offset_), seed_);
  if (!frame || (expected_ != 0 && frame->seq != expected_)) {
    // Frames are complete before their length is published, and memory outlives the daemon.
    if (same_boot_) return stop(Step::kDamaged, "a record within the published length is damaged");
    return stop(Step::kTorn, "a record of an earlier boot is damaged");
  }
  frame_ = *frame;
  offset_ += frame_.bytes;
  expected_ = frame_.seq + 1;
  return Step::kRecord;
}

bool SegmentScan::enter_batch() {
  if (offset_ + kBatchHeaderBytes > file_.size()) return false;
  const auto header = parse_batch_header(file_.substr(offset_), seed_);
  if (!header || header->records == 0 || (expected_ != 0 && header->first_seq != expected_)) {
    return false;
  }
  batch_ = *header;
  batch_at_ = offset_;
  batch_left_ = header->records;
  durable_up_to_ = std::max(durable_up_to_, header->durable_up_to);
  expected_ = header->first_seq;
  offset_ += kBatchHeaderBytes;
  return true;
}

SegmentScan::Step SegmentScan::next_written() {
  if (batch_left_ == 0) {
    if (all_zero(file_.substr(std::min<std::uint64_t>(offset_, file_.size()), kBatchHeaderBytes)) &&
        all_zero(file_.substr(std::min<std::uint64_t>(offset_, file_.size())))) {
      end_ = offset_;
      return Step::kEnd;
    }
    if (!enter_batch()) return judge_written();
  }
  const auto frame = parse_frame(file_.substr(offset_), seed_);
  if (!frame || frame->seq != expected_) return judge_written();
  frame_ = *frame;
  offset_ += frame_.bytes;
  ++expected_;
  if (--batch_left_ == 0) {
    if (offset_ != batch_at_ + kBatchHeaderBytes + batch_.payload_bytes) return judge_written();
    offset_ += kBatchTrailerBytes;
  }
  return Step::kRecord;
}

SegmentScan::Step SegmentScan::judge_written() {
  const bool process = identity_.durability == Durability::kProcess;
  if (process && !same_boot_) {
    return stop(Step::kTorn, "a record of an earlier boot is damaged");
  }
  const Seq durable = std::max(durable_up_to_, durable_after(file_, offset_, seed_));
  // With expected_ == 0 no record of this segment could be read: any later batch that knows a safe
  // record of this segment proves one lost.
  if (durable != 0 && (expected_ == 0 || expected_ <= durable)) {
    return stop(Step::kDamaged,
                "a record is damaged, and Seq " + std::to_string(durable) + " was safe");
  }
  const bool written_whole = batch_left_ != 0 && has_batch_trailer(file_.substr(batch_at_), batch_);
  if (process && written_whole) {
    return stop(Step::kDamaged, "a record is damaged in a batch that was written to its end");
  }
  return stop(Step::kTorn, "the last batch was not written to its end");
}

Seq durable_after(std::string_view file, std::uint64_t offset, std::uint32_t seed) {
  Seq durable = 0;
  for (std::uint64_t at = (offset + 7) & ~std::uint64_t{7}; at + kBatchHeaderBytes <= file.size();
       at += 8) {
    if (!looks_like_batch(file.data() + at)) continue;
    if (const auto header = parse_batch_header(file.substr(at), seed)) {
      durable = std::max(durable, header->durable_up_to);
    }
  }
  return durable;
}

}  // namespace vxs::store
