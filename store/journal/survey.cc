#include "store/journal/survey.hh"

#include <algorithm>
#include <cerrno>
#include <utility>

#include "store/journal/scan.hh"

namespace vxs::store {
namespace {

using State = FoundSegment::State;

// Whether anything but zeros stands behind the header page.
IoResult<bool> has_data(Env& env, const FoundSegment& segment) {
  auto file = env.read_file(segment.path);
  if (!file) return tl::unexpected(file.error());
  const std::string_view all = *file;
  return all.size() > kSegmentHeaderBytes && !all_zero(all.substr(kSegmentHeaderBytes));
}

// The opening of a segment whose block B cannot be read, from its first record.
IoResult<void> infer_opening(Env& env, FoundSegment& segment) {
  auto file = env.read_file(segment.path);
  if (!file) return tl::unexpected(file.error());
  SegmentScan scan(*file, segment.identity, 0, true);
  segment.opening_inferred = true;
  switch (scan.next()) {
    case SegmentScan::Step::kRecord:
      segment.opening = {scan.frame().seq, scan.frame().seq - 1, false};
      return {};
    case SegmentScan::Step::kEnd:
      segment.state = State::kUnused;
      return {};
    default:
      segment.state = State::kBad;
      return {};
  }
}

IoResult<void> read_header(Env& env, FoundSegment& segment) {
  auto file = env.open_file(segment.path, false);
  if (!file) return tl::unexpected(file.error());
  auto size = (*file)->size();
  if (!size) return tl::unexpected(size.error());
  segment.file_bytes = *size;
  std::string page;
  if (auto read = (*file)->read_at(0, kSegmentHeaderBytes, page); !read) return read;
  segment.published = decode_published(page);

  switch (decode_identity(page, segment.identity)) {
    case HeaderState::kNewerVersion:
      segment.state = State::kNewerVersion;
      return {};
    case HeaderState::kZero:
    case HeaderState::kBad: {
      auto data = has_data(env, segment);
      if (!data) return tl::unexpected(data.error());
      segment.state = *data ? State::kBad : State::kUnused;
      return {};
    }
    case HeaderState::kGood:
      break;
  }
  const HeaderState opening = decode_opening(page, segment.identity.seed(), segment.opening);
  if (opening == HeaderState::kGood) return {};
  if (opening == HeaderState::kZero && segment.identity.kind == SegmentKind::kMapped &&
      segment.published == 0) {
    segment.state = State::kUnused;
    return {};
  }
  return infer_opening(env, segment);
}

}  // namespace

IoResult<Survey> survey_directory(Env& env, const std::string& directory) {
  Survey survey;
  auto names = env.list_directory(directory);
  if (!names) {
    if (names.error().code == ENOENT) return survey;
    return tl::unexpected(names.error());
  }
  for (const std::string& name : *names) {
    if (const auto number = parse_segment_name(name)) {
      FoundSegment segment;
      segment.path = directory + "/" + name;
      segment.number = *number;
      if (auto read = read_header(env, segment); !read) {
        if (read.error().code == ENOENT) continue;  // removed by a running daemon meanwhile
        return tl::unexpected(read.error());
      }
      survey.segments.push_back(std::move(segment));
    } else if (const auto seq = parse_checkpoint_name(name)) {
      survey.checkpoints.push_back(*seq);
    } else if (name.starts_with("checkpoint-") && name.ends_with(".tmp")) {
      survey.leftovers.push_back(directory + "/" + name);
    }
  }
  std::sort(survey.checkpoints.begin(), survey.checkpoints.end());
  std::sort(survey.segments.begin(), survey.segments.end(),
            [](const FoundSegment& a, const FoundSegment& b) { return a.number < b.number; });
  return survey;
}

}  // namespace vxs::store
