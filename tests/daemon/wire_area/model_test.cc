// Random use of a slot beside a model of what a successor must find, with a successor every few
// steps.
#include <gtest/gtest.h>

#include <random>

#include "tests/daemon/wire_area/support.hh"

namespace vxs::daemon::test {
namespace {

/// A stream: its bytes from `begin` on, of which those before `published` are published.
struct Stream {
  std::uint64_t begin = 0;
  std::string bytes;
  std::uint64_t published = 0;
  [[nodiscard]] std::uint64_t end() const { return begin + bytes.size(); }
  void begin_at(std::uint64_t position) {
    bytes.erase(0, position - begin);
    begin = position;
  }
};

class Walk {
 public:
  explicit Walk(std::uint64_t seed) : random_(seed) { open_slot(*area_, 1); }

  void step() {
    switch (random_() % 14) {
      case 0:
      case 1:
        return append(slot().output(), output_);
      case 2:
        return append(slot().log(), log_);
      case 3:
        return truncate(slot().output(), output_);
      case 4:
        return rewrite(slot().output(), output_, sent_);
      case 5:
        return rewrite(slot().log(), log_, log_.begin);
      case 6:
      case 7:
        return publish();
      case 8:
        return receive();
      case 9:
      case 10:
        return send();
      case 11:
        return slot().output().forget_dead();
      case 12:
        return random_() % 8 == 0 ? slot().trim() : void();
      default:
        return die();
    }
  }
  void check() {
    const auto progress = slot().progress();
    check(slot().output(), output_, sent_);
    check(slot().log(), log_, log_.published == log_.begin ? log_.end() : log_.begin);
    ASSERT_EQ(slot().sent(), sent_);
    ASSERT_EQ(
        slot().sendable(),
        std::string_view(output_.bytes).substr(sent_ - output_.begin, output_.published - sent_));
    ASSERT_EQ(progress.handled, handled_);
    ASSERT_EQ(slot().input(progress.in_begin), input_);
  }

 private:
  WireSlot& slot() { return *find_slot(*area_, 1); }
  std::size_t size() { return random_() % 8 == 0 ? random_() % 60'000 : random_() % 300; }
  void check(const WireBytes& stream, const Stream& model, std::uint64_t used) {
    ASSERT_EQ(stream.end(), model.end());
    // What was used may be forgotten or not.
    ASSERT_LE(stream.begin(), std::max(used, model.begin));
    const auto from = std::max(stream.begin(), model.begin);
    ASSERT_EQ(stream.view(from, stream.end()),
              std::string_view(model.bytes).substr(from - model.begin));
    ASSERT_EQ(stream.published_end(), model.published);
  }
  void append(WireBytes& stream, Stream& model) {
    const std::string bytes = pattern(random_(), size());
    if (stream.size() + bytes.size() > 200'000) return;
    ASSERT_TRUE(stream.append(bytes));
    model.bytes += bytes;
  }
  void truncate(WireBytes& stream, Stream& model) {
    const auto position = between(model.published, model.end());
    stream.truncate(position);
    model.bytes.resize(position - model.begin);
  }
  void rewrite(WireBytes& stream, Stream& model, std::uint64_t used) {
    const auto from = between(std::max(used, stream.begin()), model.end());
    std::string content = pattern(random_(), random_() % 500);
    const auto rest = between(from, model.end());
    if (random_() % 2 == 0) content = model.bytes.substr(rest - model.begin);
    const auto end =
        from > model.published ? model.published : between(from, from + content.size());
    // Sometimes with the stream's own bytes.
    const bool own = content == stream.view(rest, stream.end());
    ASSERT_TRUE(stream.rewrite(from, own ? stream.view(rest, stream.end()) : content, end));
    model.bytes.replace(from - model.begin, std::string::npos, content);
    model.published = end;
  }
  void publish() {
    auto progress = slot().progress();
    const auto used = between(0, input_.size());
    progress.in_begin += used;
    progress.handled += random_() % 3;
    progress.out_begin = between(progress.out_begin, sent_);
    progress.out_end = between(output_.published, output_.end());
    progress.log_end = between(log_.published, log_.end());
    progress.log_begin = random_() % 3 == 0 ? progress.log_end : progress.log_begin;
    slot().publish(progress);
    input_.erase(0, used);
    handled_ = progress.handled;
    output_.begin_at(progress.out_begin);
    output_.published = progress.out_end;
    log_.begin_at(progress.log_begin);
    log_.published = progress.log_end;
  }
  void receive() {
    const std::string bytes = pattern(random_(), random_() % 9000);
    if (!bytes.empty()) write_all(pair_.peer.get(), bytes);
    waiting_ += bytes;
    const auto count = slot().receive(pair_.ours.get());
    if (!count) return;
    input_ += waiting_.substr(0, *count);
    waiting_.erase(0, *count);
  }
  void send() {
    const auto count = slot().send(pair_.ours.get());
    if (random_() % 2 == 0 || !count) {
      if (count) sent_ += *count;
    } else {
      sent_ += *count;
      slot().discard_sendable();
      sent_ = output_.published;
    }
    read_all(pair_.peer.get());
  }
  void die() {
    area_ = restart(std::move(area_));
    ASSERT_TRUE(slot().attach(pair_.ours.get()).has_value());
    for (Stream* stream : {&output_, &log_}) {
      stream->bytes.resize(stream->published - stream->begin);
    }
  }
  std::uint64_t between(std::uint64_t low, std::uint64_t high) {
    switch (random_() % 4) {
      case 0:
        return low;
      case 1:
        return high;
      default:
        return low + random_() % (high - low + 1);
    }
  }

  std::mt19937_64 random_;
  std::unique_ptr<WireArea> area_ = make_area();
  Pair pair_ = make_pair();
  Stream output_;
  Stream log_;
  std::uint64_t sent_ = 0;
  std::string input_;
  std::string waiting_;
  std::uint64_t handled_ = 0;
};

TEST(WireModel, ASuccessorFindsWhatWasPublishedAndNothingElse) {
  for (std::uint64_t seed = 1; seed <= 40; ++seed) {
    Walk walk(seed);
    for (int i = 0; i < 500; ++i) {
      walk.step();
      walk.check();
      if (testing::Test::HasFatalFailure()) FAIL() << "seed " << seed << ", step " << i;
    }
  }
}

}  // namespace
}  // namespace vxs::daemon::test
