#include "daemon/swap/give_back.hh"

#include <unistd.h>

#include <algorithm>
#include <string_view>
#include <utility>

#include "daemon/core/connection.hh"
#include "daemon/core/live_update_words.hh"
#include "daemon/swap/take_over.hh"
#include "store/crash_point.hh"
#include "store/journal/format.hh"

namespace vxs::swap {

using process::start_error;
using process::StartResult;
using store::migration::LiveConnection;

namespace {

constexpr std::string_view kLiveUpdate = "-U";

std::vector<std::string> words_of(std::string_view text) {
  constexpr std::string_view kSpace = " \t";
  std::vector<std::string> words;
  for (auto at = text.find_first_not_of(kSpace); at != std::string_view::npos;
       at = text.find_first_not_of(kSpace, at)) {
    const auto end = std::min(text.find_first_of(kSpace, at), text.size());
    words.emplace_back(text.substr(at, end - at));
    at = end;
  }
  return words;
}

void add_quota(config::Quota quota, std::uint32_t value, std::vector<std::string>& words) {
  using config::Quota;
  const auto add = [&](std::string_view option, std::string_view name = {}) {
    words.emplace_back(option);
    words.push_back(std::string(name) + (name.empty() ? "" : "=") + std::to_string(value));
  };
  switch (quota) {
    case Quota::kNodes:
      return add("-E");
    case Quota::kNodeSize:
      return add("-S");
    case Quota::kWatches:
      return add("-W");
    case Quota::kTransactions:
      return add("-t");
    case Quota::kNodePermissions:
      return add("-A");
    case Quota::kPathMax:
      return add("-M");
    case Quota::kSoftMemory:
      return add("-q", "memory");
    default:
      return add("-Q", config::quota_info(quota).name);
  }
}

/// A file that has its name when it is whole, and is gone if it never gets so far.
class NewFile {
 public:
  NewFile(store::Env& env, std::string path)
      : env_(env), path_(std::move(path)), unfinished_(path_ + ".tmp") {}
  ~NewFile() {
    file_.reset();
    if (made_) (void)env_.remove_file(unfinished_);
  }
  NewFile(const NewFile&) = delete;
  NewFile& operator=(const NewFile&) = delete;

  store::IoResult<void> open() {
    if (env_.exists(unfinished_)) (void)env_.remove_file(unfinished_);
    auto file = env_.create_file(unfinished_);
    if (!file) return tl::unexpected(file.error());
    file_ = std::move(*file);
    made_ = true;
    return {};
  }
  store::IoResult<void> append(std::string_view piece) {
    const auto written = file_->write_at(size_, piece);
    size_ += piece.size();
    return written;
  }
  store::IoResult<void> finish() {
    file_.reset();
    auto renamed = env_.rename_file(unfinished_, path_);
    made_ = !renamed.has_value();
    return renamed;
  }

 private:
  store::Env& env_;
  std::string path_;
  std::string unfinished_;
  std::unique_ptr<store::EnvFile> file_;
  std::uint64_t size_ = 0;
  bool made_ = false;
};

}  // namespace

std::vector<std::string> stock_command(const config::Config& config, bool in_foreground,
                                       const std::string& file,
                                       const std::optional<std::string>& command_line) {
  std::vector<std::string> words{file};
  if (command_line) {
    for (auto& word : words_of(*command_line)) words.push_back(std::move(word));
    const bool said = std::find(words.begin() + 1, words.end(), kLiveUpdate) != words.end();
    if (!said) words.emplace_back(kLiveUpdate);
    return words;
  }
  const auto add = [&words](const char* option, std::string value) {
    words.emplace_back(option);
    words.push_back(std::move(value));
  };
  if (in_foreground) words.emplace_back("-N");
  if (!config.pid_file.empty()) add("--pid-file", config.pid_file);
  if (!config.trace_file.empty()) add("-T", config.trace_file);
  if (config.keep_orphans) words.emplace_back("-K");
  if (config.store_domid != 0) add("--master-domid", std::to_string(config.store_domid));
  if (config.control_domid != 0) add("--priv-domid", std::to_string(config.control_domid));
  if (config.own_event != 0) add("--event", std::to_string(config.own_event));
  const config::Config defaults;
  if (config.watch_event_timeout != defaults.watch_event_timeout) {
    add("-w", "watch-event=" + std::to_string(config.watch_event_timeout.count()));
  }
  for (const auto& info : config::quota_infos()) {
    const auto value = config.quotas[info.quota];
    if (value != info.default_value) add_quota(info.quota, value, words);
  }
  words.emplace_back(kLiveUpdate);
  return words;
}

bool reads_version_2(int fd) {
  constexpr std::string_view kSays = daemon::kVersionNotSupported;
  constexpr std::size_t kPiece = std::size_t{1} << 16;
  constexpr std::uint64_t kMostBytes = std::uint64_t{64} << 20;  // some 200 KiB are usual
  std::string window;
  for (std::uint64_t at = 0; at < kMostBytes;) {
    std::string piece(kPiece, '\0');
    const ssize_t got = ::pread(fd, piece.data(), piece.size(), static_cast<off_t>(at));
    if (got <= 0) return false;
    window.append(piece, 0, static_cast<std::size_t>(got));
    if (window.find(kSays) != std::string::npos) return true;
    window.erase(0, window.size() - std::min(window.size(), kSays.size() - 1));
    at += static_cast<std::uint64_t>(got);
  }
  return false;
}

StartResult<store::migration::Exported> write_stream(const Estate& estate) {
  NewFile file(estate.env, stream_path());
  if (const auto opened = file.open(); !opened) return start_error(opened.error().what);
  store::IoResult<void> written;
  auto exported = store::migration::export_state(estate.tree, estate.system, estate.connections,
                                                 {.version = estate.version,
                                                  .descriptors = estate.descriptors,
                                                  .store_domid = estate.config.store_domid,
                                                  .offered_features = daemon::kOfferedFeatures},
                                                 [&](std::string_view piece) {
                                                   written = file.append(piece);
                                                   return written.has_value();
                                                 });
  if (!exported) return start_error(written ? exported.error().message : written.error().what);
  VXS_CRASH_POINT("swap-stream-written");
  if (const auto finished = file.finish(); !finished) return start_error(finished.error().what);
  VXS_CRASH_POINT("swap-stream-named");
  return std::move(*exported);
}

StartResult<std::pair<std::string, std::string>> prepare_end(store::Env& env,
                                                             const std::string& journal_dir,
                                                             const store::CheckpointMeta& meta,
                                                             const store::Tree& empty) {
  const auto prepared = store::prepare_checkpoint(env, journal_dir, meta, empty, {});
  if (!prepared) return start_error(prepared.error().what);
  const std::string name = journal_dir + "/" + store::checkpoint_name(meta.seq);
  return std::pair(name + ".tmp", name);
}

void answer_ok(const protocol::Header& request, LiveConnection& requester) {
  const auto first = protocol::decode_frame(requester.input);
  if (first.status == protocol::DecodeStatus::kFrame && first.header.type == request.type &&
      first.header.req_id == request.req_id) {
    requester.input.erase(0, first.consumed);
  }
  constexpr std::string_view kOk("OK\0", 3);
  (void)protocol::append_frame(requester.output, protocol::MessageType::kControl, request.req_id,
                               request.tx_id, kOk);
}

}  // namespace vxs::swap
