// Guests on rings that outlive the daemon: pages, event channels, wire area and journal stay when
// it dies, which it may do at each of its calls to the world.
#pragma once

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "daemon/core/server.hh"
#include "daemon/loop/kept_connections.hh"
#include "daemon/rings/ring_server.hh"
#include "store/env.hh"
#include "tests/daemon/core/core_fixture.hh"
#include "tests/daemon/wire_area/support.hh"
#include "tests/support/memory_hypervisor.hh"
#include "tests/support/ring_guest.hh"

namespace vxs::test {

// What ends a daemon.
struct Killed {};

// Counts the daemon's calls to the world, and ends it at one of them.
class Death {
 public:
  // After `calls` more; -1: never.
  void in(int calls) {
    left_ = calls;
    in_request_ = false;
  }
  // In the next request that is begun.
  void in_request() { in_request_ = true; }
  void request() {
    if (in_request_) throw Killed{};
    call();
  }
  [[nodiscard]] bool due() const { return left_ >= 0; }
  void call() {
    ++calls_;
    if (left_ < 0) return;
    if (left_-- == 0) throw Killed{};
  }
  [[nodiscard]] int calls() const { return calls_; }

 private:
  int left_ = -1;
  bool in_request_ = false;
  int calls_ = 0;
};

class DeadlyObserver final : public daemon::Observer {
 public:
  explicit DeadlyObserver(Death& death) : death_(death) { tracing_ = true; }
  std::vector<std::string> said;
  void request_in(const daemon::Connection&, std::uint32_t, std::string_view) override {
    death_.request();
  }
  void reply_out(const daemon::Connection&, std::uint32_t, std::string_view) override {
    death_.call();
  }
  void event_out(const daemon::Connection&, std::string_view, std::string_view) override {
    death_.call();
  }
  void object(bool, std::string_view, const void*) override {}
  void warn(std::string_view sentence) override { said.emplace_back(sentence); }
  void info(std::string_view) override {}
  void error(std::string_view sentence) override { said.emplace_back(sentence); }

 private:
  Death& death_;
};

// A real journal; the daemon may die before and after each record.
class DeadlyJournal final : public store::Journal {
 public:
  using Requests = std::multiset<std::pair<ConnectionId, std::uint64_t>>;
  DeadlyJournal(std::unique_ptr<store::Journal> real, Death& death, Requests& done)
      : real_(std::move(real)), death_(death), done_(done) {}
  Seq last_seq() const noexcept override { return real_->last_seq(); }
  Seq safe_seq() const noexcept override { return real_->safe_seq(); }
  bool immediate() const noexcept override { return real_->immediate(); }
  store::IoResult<void> append(const store::Record& record) override {
    death_.call();
    auto appended = real_->append(record);
    if (const auto* commit = std::get_if<store::CommitRecord>(&record)) {
      if (commit->origin.connection != 0) {
        done_.emplace(commit->origin.connection, commit->origin.ordinal);
      }
    }
    death_.call();
    return appended;
  }
  store::IoResult<void> flush() override { return real_->flush(); }
  store::IoResult<void> take_failure() override { return real_->take_failure(); }
  void rollback() override { real_->rollback(); }
  bool failing() const noexcept override { return real_->failing(); }
  bool probe() override { return real_->probe(); }
  bool wants_preparation() const noexcept override { return real_->wants_preparation(); }
  void prepare() override { real_->prepare(); }
  std::uint64_t bytes() const noexcept override { return real_->bytes(); }
  std::uint64_t bytes_since_checkpoint() const noexcept override {
    return real_->bytes_since_checkpoint();
  }
  void checkpoint_done(Seq seq) override { real_->checkpoint_done(seq); }
  void history_done(Seq seq) override { real_->history_done(seq); }

 private:
  std::unique_ptr<store::Journal> real_;
  Death& death_;
  Requests& done_;
};

class KeptRingTest : public testing::Test {
 protected:
  // One process.
  struct Run {
    Run(KeptRingTest& test, std::unique_ptr<store::Journal> opened, store::Tree tree)
        : journal(std::move(opened), test.death, test.done),
          observer(test.death),
          domains(0, {}),
          head(test.stats, test.perms, std::move(tree), journal.last_seq()),
          rings(loop, test.xen),
          server({.first_connection = test.report.last_connection + 1}, journal, test.clock, head,
                 domains, observer, daemon::Xen{.hypervisor = &test.xen, .rings = &rings}) {}
    DeadlyJournal journal;
    DeadlyObserver observer;
    daemon::Domains domains;
    daemon::EventLoop loop;
    transactions::Head head;
    std::unique_ptr<daemon::KeptConnections> kept;
    daemon::RingBeginnings beginnings;
    daemon::RingServer rings;
    daemon::Server server;
  };

  KeptRingTest() {
    char name[] = "/dev/shm/vxs-kept-rings-XXXXXX";
    directory_ = ::mkdtemp(name);
    pages_[0] = xen.add_domain(0, kDom0Port).page;
    xen.own_port = kDom0Port;
    auto area = daemon::test::make_area(kArea);
    area_fd_ = process::Descriptor(::dup(area->fd()));
    open(std::move(area));
  }
  ~KeptRingTest() override {
    xen.at_each_call = nullptr;
    run.reset();
    dead_.clear();
    std::error_code ignored;
    std::filesystem::remove_all(directory_, ignored);
  }

  // What the daemon's main program does at a start.
  void open(std::unique_ptr<daemon::WireArea> area) {
    auto kept = daemon::KeptConnections::over(std::move(area));
    store::JournalOptions where;
    where.directory = directory_ + "/journal";
    where.segment_bytes = 1U << 20;
    where.budget_bytes = 64U << 20;
    where.boot_id = "boot";
    report = {};
    daemon::ReplayedEvents replayed(0);
    daemon::RingBeginnings beginnings;
    store::ReplayHook hook;
    const bool again = kept->restarts() > 0;
    if (again) {
      hook.from = kept->published_seq();
      hook.tell = [&](const store::ReplayedRecord& record) {
        replayed.add(record);
        if (kept->published_seq() != 0) beginnings.add(record);
      };
    }
    const std::vector<protocol::PermEntry> anybody{
        {.domid = 0}, {.domid = kDomIdAny, .access = protocol::Access::kBoth}};
    const auto list = perms.intern(anybody);
    store::Tree tree(stats, list, list, list);
    auto opened = store::open_journal(
        *env_, where, perms, tree, report, [] {}, {}, hook);
    ASSERT_TRUE(opened.has_value()) << opened.error().message;
    run = std::make_unique<Run>(*this, std::move(*opened), std::move(tree));
    run->kept = std::move(kept);
    run->beginnings = std::move(beginnings);
    ASSERT_TRUE(run->server.record_start("boot", 1, "test").has_value());
    run->rings.start(run->server);
    run->rings.keep({.connections = *run->kept, .report = report, .beginnings = run->beginnings});
    const auto now = xen.domains();
    run->server.recover(report.system, *now, [this] { return run->rings.attach_own(0); });
    xen.drop_unclaimed();
    run->rings.resume();
    run->server.fire_again(replayed);
    run->server.bury_the_dead();
    run->server.forget_lost_sessions(report.system);
    run->server.end_of_pass();
    flush();
    xen.at_each_call = [this] { death.call(); };
  }
  // The daemon is dead. Nothing of it does anything any more.
  void die(bool descriptor_kept = true) {
    death.in(-1);
    xen.daemon_died(descriptor_kept);
    run->rings.stop_reading();
    dead_.push_back(std::move(run));
  }
  void restart(bool descriptor_kept = true) {
    die(descriptor_kept);
    start();
  }
  void start() { open(daemon::test::adopt(area_fd_.get())); }

  void flush() {
    const Seq released = run->server.released_seq();
    run->rings.flush();
    run->kept->published(released);
  }
  void pass() {
    run->loop.run_once(true);
    run->rings.serve_backlog();
    run->server.end_of_pass();
    flush();
  }
  // A pass; if the daemon dies in it, there is another one afterwards.
  void pass_or_restart() {
    try {
      pass();
    } catch (const Killed&) {
      ++deaths;
      restart();
    }
  }

  // A domain with a page, not introduced.
  support::RingGuest& create(DomId domid) {
    auto& domain = xen.add_domain(domid, port_of(domid));
    domain.info.handle[0] = static_cast<std::uint8_t>(domid);
    pages_[domid] = domain.page;
    guests_[domid] =
        std::make_unique<support::RingGuest>(protocol::RingPageView(domain.page->bytes.data()));
    return *guests_[domid];
  }
  static daemon::Port port_of(DomId domid) { return domid + 10U; }
  support::RingGuest& introduce(DomId domid) {
    auto& guest = create(domid);
    EXPECT_TRUE(run->server.lifecycle().introduce(domid, 0, port_of(domid)).has_value());
    pass();
    return guest;
  }
  support::RingGuest& guest(DomId domid) { return *guests_.at(domid); }
  void signal(DomId domid) { xen.signal(domid, port_of(domid)); }
  daemon::Connection* connection(DomId domid) {
    daemon::Domain* known = run->domains.find(domid);
    return known == nullptr ? nullptr : known->connection;
  }
  static std::uint32_t word(support::RingGuest& guest, std::size_t offset) {
    return guest.page().load(offset);
  }

  // One request, and its answer; events are kept. Restarts on the way.
  std::string call(DomId domid, std::uint32_t type, std::string_view payload,
                   std::uint32_t tx_id = 0) {
    auto& from = guest(domid);
    const std::uint32_t id = ++last_id_;
    std::string bytes = support::RingGuest::frame(type, payload, tx_id, id);
    for (int i = 0; i < 2000; ++i) {
      bytes.erase(0, from.put(bytes));
      signal(domid);
      pass_or_restart();
      clock.now_us += 1000;
      while (from.take()) signal(domid);
      while (auto frame = from.next()) {
        if (frame->header.type == wire::kWatchEvent) {
          std::string text = frame->payload.substr(0, frame->payload.size() - 1);
          std::replace(text.begin(), text.end(), '\0', ' ');
          events[domid].push_back(text);
          continue;
        }
        EXPECT_EQ(frame->header.req_id, id);
        std::string text = frame->payload;
        while (!text.empty() && text.back() == '\0') text.pop_back();
        return text;
      }
    }
    return "no answer";
  }
  std::string write(DomId domid, const std::string& path, const std::string& value,
                    std::uint32_t tx_id = 0) {
    return call(domid, wire::kWrite, zstrings({path}) + value, tx_id);
  }
  std::string read(DomId domid, const std::string& path, std::uint32_t tx_id = 0) {
    return call(domid, wire::kRead, zstrings({path}), tx_id);
  }

  [[nodiscard]] int area_fd() const { return area_fd_.get(); }
  // In a process that looks what would become of it if the daemon died now: everything that
  // outlives it is private from here on, and the next one is started. Guests' ring views stay.
  void take_copies() {
    const std::string copy = directory_ + "-" + std::to_string(::getpid());
    std::filesystem::copy(directory_, copy, std::filesystem::copy_options::recursive);
    auto area = daemon::test::make_area(kArea);
    {
      const daemon::test::RawArea from(area_fd());
      const daemon::test::RawArea to(area->fd());
      const auto where = from.geometry();
      std::memcpy(to.at(0), from.at(0), where.block(where.slots));
      for (std::uint32_t index = 0; index < where.slots; ++index) {
        if (from.state(index) == 0) continue;
        const auto log =
            where.data(index) + kArea.output_limit * daemon::wire_layout::kRegionFactor;
        std::memcpy(to.at(where.data(index)), from.at(where.data(index)), 16384);
        std::memcpy(to.at(log), from.at(log), 16384);
      }
    }
    for (const auto& [domid, page] : pages_) {
      // In its place: whoever has a pointer to the page has one to the copy.
      const auto bytes = page->bytes;
      void* const at = ::mmap(page->bytes.data(), bytes.size(), PROT_READ | PROT_WRITE,
                              MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
      ASSERT_EQ(at, page->bytes.data());
      page->bytes = bytes;
    }
    die();
    directory_ = copy;
    area_fd_ = process::Descriptor(::dup(area->fd()));
    start();
    // The process ends without a destructor.
    std::filesystem::remove_all(copy);
  }
  /// The index of a ring's slot. Of a daemon that is dead, too.
  std::uint32_t slot_of(DomId domid) {
    const daemon::test::RawArea raw(area_fd());
    for (std::uint32_t index = 0; index < raw.header().slots; ++index) {
      if (raw.state(index) != 0 && raw.control(index).domid == domid) return index;
    }
    ADD_FAILURE() << "no slot for domain " << domid;
    return 0;
  }

  static constexpr daemon::Port kDom0Port = 1;
  static constexpr daemon::WireArea::Options kArea{
      .slots = 8, .output_limit = 1U << 20, .log_limit = 1U << 18};

  Death death;
  int deaths = 0;
  DeadlyJournal::Requests done;  // by which a commit was made; by each one at most
  store::PermTable perms;
  store::TreeStats stats;
  ManualClock clock;
  MemoryHypervisor xen;
  store::RecoveryReport report;
  std::map<DomId, std::vector<std::string>> events;
  std::unique_ptr<Run> run;

 private:
  std::unique_ptr<store::Env> env_ = store::make_posix_env();
  std::string directory_;
  process::Descriptor area_fd_;
  std::map<DomId, std::unique_ptr<support::RingGuest>> guests_;
  std::map<DomId, std::shared_ptr<MemoryHypervisor::Page>> pages_;
  std::uint32_t last_id_ = 0;
  std::vector<std::unique_ptr<Run>> dead_;
};

}  // namespace vxs::test
