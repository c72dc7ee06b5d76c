// vxs export and vxs import, with the packaged C xenstored at the other end of the stream.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <optional>
#include <thread>

#include "protocol/migration/stream_reader.hh"
#include "protocol/migration/stream_writer.hh"
#include "tests/support/child_process.hh"
#include "tests/support/daemon_ready.hh"
#include "tests/support/fake_guest.hh"
#include "tests/support/fake_machine.hh"
#include "tests/support/stock_daemon.hh"
#include "tests/support/vxenstored_process.hh"
#include "tests/support/wire_client.hh"
#include "tests/tools/run_vxs.hh"

namespace vxs::test {
namespace {

using namespace support;
using testing::HasSubstr;
namespace wire = protocol::migration;

std::string load(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}
void save(const std::string& path, std::string_view bytes) {
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
}

void must(FrameClient& client, std::uint32_t type, const std::string& payload) {
  const Frame reply = client.call(type, payload);
  ASSERT_FALSE(reply.is_error()) << type_name(type) << " " << payload << ": " << reply.error();
}
void write(FrameClient& client, const std::string& path, std::string_view value) {
  must(client, kWrite, zstrings({path}).append(value));
}

/// All nodes with values and permissions, as xenstore-ls shows them.
std::string listing(const std::string& rundir) {
  const TempDir dir;
  Command command;
  command.argv = {"/usr/bin/xenstore-ls", "-s", "-f", "-p"};
  require_program(command.argv[0], "apt install xenstore-utils");
  command.env = {{"XENSTORED_RUNDIR", rundir}, {"XENSTORED_PATH", rundir + "/socket"}};
  command.output = dir.path() + "/out";
  ChildProcess child(command);
  const auto status = child.wait(std::chrono::seconds(30));
  const std::string out = load(dir.path() + "/out");
  EXPECT_EQ(status, 0) << out;
  return out;
}

std::string home(std::uint32_t domid) { return "/local/domain/" + std::to_string(domid); }

/// What a toolstack writes of a domain, and where vxs import finds who it was.
void make_home(WireClient& dom0, const fakexen::Domain& domain) {
  std::string uuid;
  for (std::size_t i = 0; i < domain.handle.size(); ++i) {
    std::array<char, 3> digits{};
    std::snprintf(digits.data(), digits.size(), "%02x", domain.handle[i]);
    if (i == 4 || i == 6 || i == 8 || i == 10) uuid += '-';
    uuid += digits.data();
  }
  const std::string path = home(domain.domid);
  const std::string id = std::to_string(domain.domid);
  must(dom0, kMkdir, zstrings({path}));
  must(dom0, kSetPerms, zstrings({path, "n0", "r" + id}));
  write(dom0, path + "/vm", "/vm/" + uuid);
  write(dom0, path + "/store/port", std::to_string(domain.store_port));
  write(dom0, path + "/store/ring-ref", "1044476");
  must(dom0, kMkdir, zstrings({path + "/data"}));
  must(dom0, kSetPerms, zstrings({path + "/data", "n" + id}));
}

class StreamTest : public testing::Test {
 protected:
  [[nodiscard]] static Outcome vxs(const std::string& rundir, std::vector<std::string> arguments) {
    return run_vxs(arguments, {{"XENSTORED_RUNDIR", rundir}, {"XENSTORED_PATH", ""}});
  }
  static void forget_state(const VxenstoredProcess& ours) {
    std::filesystem::remove_all(ours.state_dir());
    std::filesystem::remove_all(ours.journal_dir());
  }

  TempDir files_{"/dev/shm"};
  std::string file_ = files_.path() + "/stream";
};

/// A machine with guests 5 and 6 (which acts for 5), served by the packaged C xenstored, whose
/// state is then taken by a live update to a program that only copies it.
class StockToOurs : public StreamTest {
 protected:
  void SetUp() override {
    VxenstoredOptions options;
    options.machine = machine_.dir();
    options.parent_dir = "/dev/shm";
    ours_.emplace(std::move(options));
    ASSERT_TRUE(ours_->terminate());
    forget_state(*ours_);
    stock_.emplace(StockDaemon::start_c(rundir_.path(), "", machine_.dir()));
    WireClient dom0(stock_->socket_path());
    for (const std::uint32_t domid : {5U, 6U}) {
      const auto domain = machine_.create_domain(domid);
      make_home(dom0, domain);
      guests_.emplace_back(machine_.machine(), domid);
      must(dom0, kIntroduce, guests_.back().introduction());
    }
  }

  /// Ends the C daemon. `client` is whom the file's last answer is for.
  void dump(WireClient& client) {
    const std::string script = files_.path() + "/take";
    save(script, "#!/bin/sh\ncd \"$XENSTORED_RUNDIR\" && cp state_dump copy && mv copy dump\n");
    std::filesystem::permissions(script, std::filesystem::perms::owner_all);
    must(client, kControl, zstrings({"live-update", "-f", script}));
    client.send({kControl, 7, 0, zstrings({"live-update", "-s"})});
    const std::string dump = rundir_.path() + "/dump";
    for (int i = 0; i < 1000 && !std::filesystem::exists(dump); ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    std::filesystem::rename(dump, file_);
    (void)stock_->process().wait(std::chrono::seconds(10));
  }

  FakeMachine machine_;
  TempDir rundir_{"/dev/shm"};
  std::optional<VxenstoredProcess> ours_;
  std::optional<StockDaemon> stock_;
  std::vector<FakeGuest> guests_;
};

TEST_F(StockToOurs, H8_TreeGuestsAndWatchesOfTheStockDaemonGoOnWithOurs) {
  WireClient dom0(stock_->socket_path());
  FakeGuest& five = guests_[0];
  write(dom0, "/tool/binary", std::string("a\0b\xff", 4));
  write(dom0, "/tool/z/deep", "");
  write(dom0, "/tool/a", "after z");
  must(dom0, kSetPerms, zstrings({"/tool/a", "b0", "r5", "w6", "n77"}));  // there is no 77
  must(dom0, kSetPerms, zstrings({"@releaseDomain", "n0", "r5"}));
  must(dom0, kSetTarget, zstrings({"6", "5"}));
  must(dom0, kWatch, zstrings({"/tool", "dom0"}));
  write(five, "data/mine", "five");
  must(five, kSetPerms, zstrings({"data/mine", "n5", "r6"}));
  must(five, kWatch, zstrings({"data", "relative"}));
  must(five, kWatch, zstrings({home(5) + "/data/mine", "absolute"}));
  (void)five.drain();
  const std::string before = listing(rundir_.path());
  dump(dom0);
  const char* const accept = std::getenv("VXS_ACCEPT");
  if (accept != nullptr && std::string_view(accept) == "1") {
    save(required_env("VXS_SOURCE_DIR") + "/tests/protocol/migration/golden/xenstored-4.17.bin",
         load(file_));
  }

  const Outcome run = vxs(ours_->dir(), {"import", "--json", file_});
  ASSERT_EQ(run.exit_code, 0) << run.out << run.err;
  const auto json = nlohmann::json::parse(run.out);
  EXPECT_EQ(json["version"], 1);
  EXPECT_EQ(json["rings"], 3);
  EXPECT_EQ(json["watches"], 2);
  EXPECT_EQ(json["notes"], nlohmann::json({"1 socket connections end here"})) << run.out;

  ours_->restart();
  EXPECT_EQ(listing(ours_->dir()), before);
  EXPECT_THAT(before, HasSubstr("data/mine = \"five\"   (n5,r6)"));
  WireClient again(ours_->socket_path());
  EXPECT_EQ(again.call(kIsDomainIntroduced, zstrings({"5"})).payload, zstrings({"T"}));
  EXPECT_EQ(again.call(kGetPerms, zstrings({"@releaseDomain"})).payload, zstrings({"n0", "r5"}));

  // The guests notice nothing: five reads what it owns, six acts for it, the watches fire.
  (void)five.drain(std::chrono::milliseconds(100));
  EXPECT_EQ(five.call(kRead, zstrings({"data/mine"})).payload, "five");
  EXPECT_EQ(five.call(kRead, zstrings({"/tool/binary"})).error(), "EACCES");
  EXPECT_EQ(five.call(kRead, zstrings({"/tool/a"})).payload, "after z");
  write(guests_[1], home(5) + "/data/mine", "by six");
  EXPECT_THAT(five.drain(std::chrono::milliseconds(100)),
              testing::UnorderedElementsAre(Event{"data/mine", "relative"},
                                            Event{home(5) + "/data/mine", "absolute"}));
  // The entry of a domain that did not exist stays without effect when it comes (XSA-417).
  const auto late = machine_.create_domain(77);
  FakeGuest late_guest(machine_.machine(), 77);
  must(again, kIntroduce, late_guest.introduction());
  EXPECT_EQ(late.domid, 77U);
  must(again, kSetPerms, zstrings({"/tool/z", "n0", "r77"}));
  EXPECT_EQ(late_guest.call(kRead, zstrings({"/tool/z"})).payload, "");
  EXPECT_EQ(late_guest.call(kRead, zstrings({home(5) + "/data/mine"})).error(), "EACCES");
}

TEST_F(StockToOurs, H8_WithoutTheToolstacksNodesADomainIsNotTakenForTheOneItMayBe) {
  WireClient dom0(stock_->socket_path());
  must(dom0, kRm, zstrings({home(6) + "/store"}));
  must(dom0, kRm, zstrings({home(5) + "/vm"}));
  write(guests_[0], "data/mine", "five");
  write(guests_[1], "data/mine", "six");
  dump(dom0);
  const Outcome run = vxs(ours_->dir(), {"import", file_});
  ASSERT_EQ(run.exit_code, 0) << run.err;
  EXPECT_THAT(run.out, HasSubstr("domain 5: no /vm says which life of this domid it is"));
  EXPECT_THAT(run.out, HasSubstr("domain 6: no store/port says which event channel"));
  ours_->restart();
  WireClient again(ours_->socket_path());
  EXPECT_EQ(again.call(kRead, zstrings({home(5) + "/data/mine"})).error(), "ENOENT");
  EXPECT_EQ(again.call(kRead, zstrings({home(6) + "/data/mine"})).payload, "six");
  EXPECT_EQ(again.call(kIsDomainIntroduced, zstrings({"6"})).payload, zstrings({"F"}));
}

/// A stream whose listening socket is the descriptor given.
std::string with_socket(const std::string& stream, int fd) {
  std::string out;
  auto reader = wire::StreamReader::open(stream);
  EXPECT_TRUE(reader);
  wire::StreamWriter writer(out, reader->version());
  for (;;) {
    auto record = reader->next();
    EXPECT_TRUE(record);
    if (!record) return out;
    if (auto* global = std::get_if<wire::Global>(&*record)) global->socket_fd = fd;
    EXPECT_TRUE(writer.put(*record));
    if (std::holds_alternative<wire::End>(*record)) return out;
  }
}

int listen_at(const std::string& path) {
  const int fd = socket(AF_UNIX, SOCK_STREAM, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, path.c_str(), sizeof address.sun_path - 1);
  EXPECT_EQ(bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  EXPECT_EQ(listen(fd, 5), 0);
  const int high = fcntl(fd, F_DUPFD, 100);  // out of the shell's way
  close(fd);
  return high;
}

class OursToStock : public StreamTest {
 protected:
  /// The packaged C daemon, begun with the stream in file_.
  StockDaemon start_stock(const FakeMachine& machine) {
    const int fd = listen_at(rundir_.path() + "/socket");
    save(rundir_.path() + "/state_dump", with_socket(load(file_), fd));
    StockDaemon stock = StockDaemon::start_c(rundir_.path(), "", machine.dir(), {"-U"});
    close(fd);
    return stock;
  }

  TempDir rundir_{"/dev/shm"};
};

TEST_F(OursToStock, H8_TheStockDaemonStartsFromWhatWeExport) {
  FakeMachine machine;
  const auto five = machine.create_domain(5);
  VxenstoredOptions options;
  options.machine = machine.dir();
  options.parent_dir = "/dev/shm";
  VxenstoredProcess ours(std::move(options));
  WireClient dom0(ours.socket_path());
  make_home(dom0, five);
  must(dom0, kSetFeature, zstrings({"5", "6"}));  // not once it is introduced
  FakeGuest guest(machine.machine(), 5);
  must(dom0, kIntroduce, guest.introduction());
  write(dom0, "/tool/binary", std::string("a\0b\xff", 4));
  write(dom0, "/tool/z", std::string(2000, 'z'));
  write(dom0, "/tool/a", "after z");
  must(dom0, kSetPerms, zstrings({"/tool/a", "b0", "r5", "n77"}));
  must(dom0, kSetQuota, zstrings({"5", "nodes", "7"}));
  write(guest, "data/mine", "five");
  must(guest, kWatch, zstrings({"data", "token", "1"}));
  const std::string before = listing(ours.dir());
  ours.kill9();  // the journal has it

  const Outcome run = vxs(ours.dir(), {"export", "--version", "1", "--json", file_});
  ASSERT_EQ(run.exit_code, 0) << run.out << run.err;
  const auto json = nlohmann::json::parse(run.out);
  std::vector<std::string> sentences;
  for (const auto& loss : json["losses"]) sentences.push_back(loss["sentence"]);
  EXPECT_THAT(
      sentences,
      testing::UnorderedElementsAre(
          testing::MatchesRegex("domain 5, connection [0-9]+: the watch on "
                                "/local/domain/5/data \\(token token\\) loses its depth of 1.*"),
          "domain 5: the quota nodes = 7 is known to xenstored 4.22 and newer only",
          "domain 5: the features that were set (6) are lost"));

  StockDaemon stock = start_stock(machine);
  EXPECT_EQ(listing(rundir_.path()), before);
  WireClient there(stock.socket_path());
  EXPECT_EQ(there.call(kRead, zstrings({"/tool/binary"})).payload, std::string("a\0b\xff", 4));
  EXPECT_EQ(there.call(kIsDomainIntroduced, zstrings({"5"})).payload, zstrings({"T"}));
}

TEST_F(OursToStock, H8_AStateWithoutXenIsEnoughForTheStockDaemon) {
  VxenstoredProcess ours({.parent_dir = "/dev/shm"});
  WireClient dom0(ours.socket_path());
  write(dom0, "/a/b/c", "value");
  ASSERT_TRUE(ours.terminate());
  ASSERT_EQ(vxs(ours.dir(), {"export", "--version", "1", file_}).exit_code, 0);
  FakeMachine machine;
  StockDaemon stock = start_stock(machine);
  EXPECT_EQ(WireClient(stock.socket_path()).call(kRead, zstrings({"/a/b/c"})).payload, "value");
}

TEST_F(StreamTest, OurStateMovesToAnotherDirectory) {
  VxenstoredProcess ours({.parent_dir = "/dev/shm"});
  WireClient dom0(ours.socket_path());
  write(dom0, "/tool/binary", std::string("a\0b\xff", 4));
  must(dom0, kSetPerms, zstrings({"/tool/binary", "r3", "w4"}));
  must(dom0, kControl, zstrings({"quota", "set", "nodes", "1234"}));
  const std::string before = listing(ours.dir());
  // Beside the running daemon; the same once it ended.
  const Outcome live = vxs(ours.dir(), {"export", file_});
  ASSERT_EQ(live.exit_code, 0) << live.err;
  EXPECT_THAT(live.out, HasSubstr("version 2, Seq "));
  const std::string bytes = load(file_);
  EXPECT_EQ(std::filesystem::status(file_).permissions(),
            std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
  ASSERT_TRUE(ours.terminate());
  ASSERT_EQ(vxs(ours.dir(), {"export", file_}).exit_code, 0);
  EXPECT_EQ(load(file_), bytes);
  EXPECT_FALSE(std::filesystem::exists(file_ + ".tmp"));

  forget_state(ours);
  const Outcome run = vxs(ours.dir(), {"import", file_});
  ASSERT_EQ(run.exit_code, 0) << run.err;
  ours.restart();
  EXPECT_EQ(listing(ours.dir()), before);
  WireClient again(ours.socket_path());
  EXPECT_THAT(again.call(kControl, zstrings({"quota"})).payload, HasSubstr("1234"));
  write(again, "/tool/after", "x");
  // History begins with what was imported.
  Outcome after;
  for (int i = 0; i < 200 && after.out != "x\n"; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    after = vxs(ours.dir(), {"at", "now", "read", "/tool/after"});
  }
  EXPECT_EQ(after.out, "x\n") << after.err;
  EXPECT_EQ(vxs(ours.dir(), {"at", "now", "read", "/tool/binary"}).out, "a\\000b\\xff\n");
  EXPECT_EQ(vxs(ours.dir(), {"fsck"}).exit_code, 0);
}

TEST_F(StreamTest, ImportRefusesAStateThatIsThere) {
  VxenstoredProcess ours({.parent_dir = "/dev/shm"});
  ASSERT_EQ(vxs(ours.dir(), {"export", file_}).exit_code, 0);
  const Outcome beside = vxs(ours.dir(), {"import", file_});
  EXPECT_EQ(beside.exit_code, 1);
  EXPECT_THAT(beside.err, HasSubstr(ours.journal_dir() + " holds a state already"));
  ASSERT_TRUE(ours.terminate());
  std::filesystem::remove_all(ours.journal_dir());
  EXPECT_THAT(vxs(ours.dir(), {"import", file_}).err,
              HasSubstr("history.git holds a state already"));
  std::filesystem::remove_all(ours.state_dir());
  EXPECT_EQ(vxs(ours.dir(), {"import", "--journal-dir", files_.path() + "/j", file_}).exit_code, 0);
  EXPECT_EQ(vxs(ours.dir(), {"import", "--journal-dir", files_.path() + "/j", file_}).exit_code, 1);
}

TEST_F(StreamTest, WhatIsNoStreamIsSaidWithRecordAndByte) {
  save(file_, "xenstore");
  const std::string rundir = files_.path();
  const Outcome cut = vxs(rundir, {"import", file_});
  EXPECT_EQ(cut.exit_code, 3);
  EXPECT_THAT(cut.err, HasSubstr("the stream's header, byte 8: the stream ends here"));
  EXPECT_EQ(vxs(rundir, {"import", files_.path() + "/none"}).exit_code, 3);
  EXPECT_FALSE(std::filesystem::exists(rundir + "/journal"));
}

TEST_F(StreamTest, ExportOfNothingIsNotFound) {
  const Outcome run = vxs(files_.path(), {"export", file_});
  EXPECT_EQ(run.exit_code, 1);
  EXPECT_THAT(run.err, HasSubstr("there is no state in "));
  EXPECT_FALSE(std::filesystem::exists(file_));
  EXPECT_EQ(vxs(files_.path(), {"export", "--version", "3", file_}).exit_code, 2);
}

TEST_F(StreamTest, AStateThatIsOnlyInMemoryIsNotExportedOld) {
  VxenstoredProcess ours({.args = {"--durability", "memory"}, .parent_dir = "/dev/shm"});
  WireClient dom0(ours.socket_path());
  write(dom0, "/a", "value");
  const Outcome run = vxs(ours.dir(), {"export", file_});
  EXPECT_EQ(run.exit_code, 3);
  EXPECT_THAT(run.err, HasSubstr("stop it first"));
  ASSERT_TRUE(ours.terminate());
  EXPECT_EQ(vxs(ours.dir(), {"export", file_}).exit_code, 0);
}

}  // namespace
}  // namespace vxs::test
