#include "tests/crash/kept/scripted_world.hh"

#include <stdexcept>

namespace vxs::test::kept {

using std::chrono::milliseconds;

namespace {

constexpr Time kBegin = Time{} + std::chrono::hours(1);
constexpr auto kStep = std::chrono::microseconds(500);

}  // namespace

ScriptedWorld::ScriptedWorld(Fault fault, std::uint64_t every, bool kept, std::uint64_t seed,
                             std::size_t guests)
    : server_(fault, every), kept_(kept) {
  Clock::tell(kBegin);
  CrowdSetting setting;
  setting.clients = guests == 0 ? 8 : 4;
  setting.guests = guests;
  setting.kept = kept;
  setting.seed = seed;
  setting.patience = milliseconds(guests == 0 ? 1500 : 3000);  // a ring holds little
  setting.root_perms = std::string("b0\0", 3);
  make_nodes(setting.clients + guests);
  server_.begin();
  const Connect connect = [this] { return server_.connect(); };
  crowd_ = std::make_unique<Crowd>(
      setting, connect,
      [this](const std::string& root) { return std::optional(server_.dump(root)); },
      [this](std::size_t number) { return toolstack_->connect(number); });
  if (guests == 0) return;
  server_.serve_guests(machine_.machine());
  toolstack_ = std::make_unique<Toolstack>(
      ToolstackSetting{.first = setting.clients, .guests = guests, .seed = seed},
      machine_.machine(), crowd_->board(), connect);
}

ScriptedWorld::~ScriptedWorld() { Clock::tell(std::nullopt); }

// Those the soak makes.
void ScriptedWorld::make_nodes(std::size_t clients) {
  const auto link = server_.connect();
  Conversation talk(true, [](const support::Event&) {}, {});
  const auto write = [&talk](const std::string& path, const std::string& value) {
    talk.ask(support::kWrite, support::zstrings({path}) + value, 0,
             [](const support::Frame&) { return std::string(); });
  };
  for (std::size_t n = 0; n < clients; ++n) {
    write(root_of(n), "");
    write(beat_path(n), "0");
    for (const char half : {'a', 'b'}) write(pair_path(n, half), "0");
  }
  const auto bytes = talk.leaving(Time{});
  if (link->send(bytes) != static_cast<long>(bytes.size())) throw std::runtime_error("send");
  server_.serve();
}

std::string ScriptedWorld::run(milliseconds how_long) {
  try {
    const Time begin = Clock::now();
    Time kill = begin;
    while (Clock::now() - begin < how_long) {
      turn();
      if (Clock::now() - kill < milliseconds(25) || crowd_->is_suspicious()) continue;
      kill = Clock::now();
      crowd_->killed(kill);
      server_.kill(!kept_);
      crowd_->served(Clock::now());
    }
    compare();
  } catch (const Violation& violation) {
    return violation.what();
  }
  return "";
}

void ScriptedWorld::turn() {
  Clock::tell(Clock::now() + kStep);
  server_.serve();
  if (toolstack_) toolstack_->turn(Clock::now());
  crowd_->turn(milliseconds(0));
}

void ScriptedWorld::compare() {
  crowd_->set_quiet(true);
  const Time begin = Clock::now();
  while (!crowd_->is_quiet() || (toolstack_ && !toolstack_->is_quiet())) {
    turn();
    if (Clock::now() - begin > milliseconds(5000)) {
      throw Violation("not quiet: " + (crowd_->is_quiet() ? toolstack_->who_is_not_quiet()
                                                          : crowd_->who_is_not_quiet()));
    }
  }
  for (const auto& client : crowd_->clients()) {
    const auto text = client->tree().compare(server_.dump(client->tree().root()));
    if (!text.empty()) throw Violation(text);
  }
  for (std::size_t n = 0; n < crowd_->board().pairs.size(); ++n) {
    const auto a = server_.dump(pair_path(n, 'a')), b = server_.dump(pair_path(n, 'b'));
    const Pair& pair = crowd_->board().pairs[n];
    const auto value = a.begin()->second.value;
    if (value != b.begin()->second.value) throw Violation("a pair is torn");
    if (const auto text = pair.judge(value, pair.acknowledged()); !text.empty()) {
      throw Violation(text);
    }
  }
}

}  // namespace vxs::test::kept
