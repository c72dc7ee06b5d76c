// vxs export
#include <fmt/format.h>

#include <charconv>
#include <memory>
#include <optional>

#include "daemon/core/connection.hh"
#include "store/journal/load_state.hh"
#include "store/migration/export_state.hh"
#include "tools/vxs/commands.hh"
#include "tools/vxs/daemon_status.hh"
#include "tools/vxs/exit_code.hh"
#include "tools/vxs/json.hh"
#include "tools/vxs/state_place.hh"

namespace vxs::tools {
namespace {

namespace migration = store::migration;

/// A daemon that checkpoints meanwhile takes files away.
constexpr int kReadings = 5;

/// What a running daemon says that matters here.
struct Running {
  std::string journal_dir;
  Seq seq = 0;
};

std::optional<Running> ask(const std::string& socket) {
  const auto status = ask_daemon(socket);
  if (!status) return std::nullopt;
  Running running;
  for (const auto& [key, value] : *status) {
    if (key == "journal-dir") running.journal_dir = value;
    if (key == "safe-seq") {
      (void)std::from_chars(value.data(), value.data() + value.size(), running.seq);
    }
  }
  return running;
}

reader::ReadResult<store::RecoveryReport> load(const std::string& directory, StateTree& state) {
  const auto env = store::make_posix_env();
  const store::Tree empty = state.tree();
  for (int reading = 1;; ++reading) {
    store::RecoveryReport report;
    state.tree() = empty;
    const auto loaded =
        store::load_state(*env, directory, running_boot(), state.perms(), state.tree(), report);
    if (loaded) return report;
    if (reading == kReadings) return reader::unreadable(loaded.error().message);
  }
}

/// Writes under another name first: FILE is either whole or as it was.
class StreamFile {
 public:
  explicit StreamFile(const std::string& path)
      : env_(store::make_posix_env()), path_(path), unfinished_(path + ".tmp") {}
  ~StreamFile() {
    file_.reset();
    if (made_) (void)env_->remove_file(unfinished_);
  }
  StreamFile(const StreamFile&) = delete;
  StreamFile& operator=(const StreamFile&) = delete;

  [[nodiscard]] store::IoResult<void> open() {
    if (env_->exists(unfinished_)) (void)env_->remove_file(unfinished_);
    auto file = env_->create_file(unfinished_);
    if (!file) return tl::make_unexpected(file.error());
    file_ = std::move(*file);
    made_ = true;
    return {};
  }
  [[nodiscard]] bool append(std::string_view piece) {
    result_ = file_->write_at(size_, piece);
    size_ += piece.size();
    return result_.has_value();
  }
  [[nodiscard]] store::IoResult<void> finish() {
    if (const auto synced = file_->sync(); !synced) return synced;
    file_.reset();
    const auto renamed = env_->rename_file(unfinished_, path_);
    made_ = !renamed.has_value();
    return renamed;
  }
  [[nodiscard]] const store::IoResult<void>& result() const noexcept { return result_; }
  [[nodiscard]] std::uint64_t size() const noexcept { return size_; }

 private:
  std::unique_ptr<store::Env> env_;
  std::string path_, unfinished_;
  std::unique_ptr<store::EnvFile> file_;
  store::IoResult<void> result_;
  std::uint64_t size_ = 0;
  bool made_ = false;
};

reader::ReadResult<migration::Exported> write_stream(const std::string& path, StateTree& state,
                                                     const store::SystemState& system,
                                                     const migration::ExportOptions& options) {
  StreamFile file(path);
  if (const auto opened = file.open(); !opened) return reader::unreadable(opened.error().what);
  auto written =
      migration::export_state(state.tree(), system, migration::rings_of(system), options,
                              [&file](std::string_view piece) { return file.append(piece); });
  if (!written) {
    return reader::unreadable(written.error().sink_failed ? file.result().error().what
                                                          : written.error().message);
  }
  if (const auto finished = file.finish(); !finished) {
    return reader::unreadable(finished.error().what);
  }
  return std::move(*written);
}

JsonObject loss_json(const migration::Loss& loss) {
  JsonObject json;
  json.text("what", migration::loss_name(loss.kind)).optional_number("domid", loss.domid);
  json.number("connection", loss.connection).bytes("name", loss.name).bytes("token", loss.token);
  json.number("value", loss.number).text("sentence", migration::describe(loss));
  return json;
}

void print(Context& context, const ExportOptions& options, Seq seq,
           const migration::Exported& exported) {
  if (context.json()) {
    std::vector<JsonObject> losses;
    for (const auto& loss : exported.losses) losses.push_back(loss_json(loss));
    JsonObject json;
    json.text("file", options.file).number("version", options.version).number("seq", seq);
    json.number("nodes", exported.nodes).number("rings", exported.connections);
    json.number("watches", exported.watches).number("domains", exported.domains);
    json.objects("losses", losses);
    context.out.write(json.line());
    return;
  }
  for (const auto& loss : exported.losses) {
    context.out.write(Colour::kYellow, "not carried: ");
    context.out.write(migration::describe(loss) + "\n");
  }
  context.out.write(fmt::format(
      "{}: version {}, Seq {}: {} nodes, {} rings with {} watches, {} domains; {} not carried\n",
      options.file, options.version, seq, exported.nodes, exported.connections, exported.watches,
      exported.domains, exported.losses.size()));
}

}  // namespace

int run(Context& context, const ExportOptions& options) {
  const auto location = locate(context.common);
  if (!location) return report(context, location.error());
  std::string directory = options.journal_dir;
  std::optional<Running> running;
  if (directory.empty()) {
    running = ask(location->socket);
    directory =
        running && !running->journal_dir.empty() ? running->journal_dir : location->journal_dir;
  }
  StateTree state(location->control_domid);
  const auto loaded = load(directory, state);
  if (!loaded) return report(context, loaded.error());
  if (running && loaded->last_seq < running->seq) {
    return report(context,
                  {reader::ReadError::Kind::kUnreadable,
                   fmt::format("the running daemon is at Seq {}, and what {} has ends at {} "
                               "(--durability memory?): stop it first, it writes its state then",
                               running->seq, directory, loaded->last_seq)});
  }
  if (loaded->fresh) {
    return report(context, {reader::ReadError::Kind::kNotFound,
                            fmt::format("there is no state in {}", directory)});
  }
  migration::ExportOptions wanted;
  wanted.version =
      options.version == 1 ? protocol::migration::Version::k1 : protocol::migration::Version::k2;
  wanted.store_domid = location->store_domid;
  wanted.offered_features = daemon::kOfferedFeatures;
  const auto exported = write_stream(options.file, state, loaded->system, wanted);
  if (!exported) return report(context, exported.error());
  print(context, options, loaded->last_seq, *exported);
  return kExitOk;
}

}  // namespace vxs::tools
