// What a dying process scribbled over: adoption believes nothing that could lead an access astray.
#include <gtest/gtest.h>

#include <cstring>
#include <functional>
#include <random>
#include <vector>

#include "tests/daemon/wire_area/support.hh"

namespace vxs::daemon::test {
namespace {

using wire_layout::Control;

/// Three connections with bytes in all of their streams.
class WireDamage : public testing::Test {
 protected:
  void SetUp() override {
    for (ConnectionId id = 1; id <= 3; ++id) {
      const bool ring = id == 3;
      WireSlot& slot = open_slot(*area_, id, ring ? WireKind::kRing : WireKind::kSocket);
      write_all(pair_.peer.get(), pattern(id, 3000));
      ASSERT_TRUE(slot.receive(pair_.ours.get()).has_value());
      ASSERT_TRUE(slot.output().append(pattern(id, 5000)));
      ASSERT_TRUE(slot.log().append(pattern(id, 700)));
      slot.publish({.in_begin = 1000,
                    .handled = 3,
                    .out_begin = 0,
                    .out_end = 4000,
                    .log_begin = 0,
                    .log_end = 700});
      if (ring) {
        slot.begin_send(100);
      } else {
        ASSERT_TRUE(slot.send(pair_.ours.get()).has_value());
        read_all(pair_.peer.get());
      }
    }
    area_->begin_request(*find_slot(*area_, 2), 4);
  }
  /// Adopts, and does with each slot what a daemon does.
  std::unique_ptr<WireArea> adopt_and_use() {
    auto area = test::adopt(area_->fd());
    for (WireSlot* slot : area->open_slots()) {
      auto progress = slot->progress();
      for (const std::string_view bytes :
           {slot->input(progress.in_begin), slot->output().view(), slot->log().view(),
            slot->sendable(), slot->peer().command}) {
        for (const char byte : bytes) sum_ += static_cast<unsigned char>(byte);
      }
      for (int i = 0; i < 3; ++i) {
        write_all(pair_.peer.get(), some_.substr(0, 5000));
        (void)slot->receive(pair_.ours.get());
        progress.in_begin = slot->in_end();
        slot->publish(progress);
        while (slot->receive(pair_.ours.get()).value_or(0) > 0) slot->publish(progress);
        if (slot->output().append(some_)) progress.out_end = slot->output().end();
        if (slot->log().append("more")) progress.log_end = slot->log().end();
        slot->publish(progress);
        (void)slot->send(pair_.ours.get());
        read_all(pair_.peer.get());
        read_all(pair_.ours.get());
      }
      (void)slot->output().rewrite(slot->sent(), "rewritten", slot->sent());
      slot->trim();
    }
    if (!area->open_slots().empty()) area->close_slot(*area->open_slots().front());
    return area;
  }
  std::vector<std::string> damage() { return test::adopt(area_->fd())->damage(); }

  Pair pair_ = make_pair();
  std::unique_ptr<WireArea> area_ = make_area();
  const RawArea raw_{area_->fd()};
  const std::string some_ = pattern(8, 60'000);
  std::uint64_t sum_ = 0;
};

TEST_F(WireDamage, WithoutDamageAllSlotsAreTakenUp) {
  const auto area = adopt_and_use();
  EXPECT_TRUE(area->damage().empty());
  EXPECT_EQ(area->open_count(), 2U);
}

TEST_F(WireDamage, ADamagedSlotIsNamedAndFreedAndTheOthersAreKept) {
  const std::uint32_t index = find_slot(*area_, 2)->index();
  raw_.control(index).in_end = 1;
  const auto area = test::adopt(area_->fd());
  ASSERT_EQ(area->damage().size(), 1U);
  EXPECT_EQ(area->damage()[0], "slot " + std::to_string(index) +
                                   " (connection 2, descriptor client-102): its input is damaged");
  EXPECT_EQ(find_slot(*area, 2), nullptr);
  EXPECT_NE(find_slot(*area, 1), nullptr);
  EXPECT_NE(find_slot(*area, 3), nullptr);
  EXPECT_FALSE(area->crash().has_value()) << "it was that slot's";
  EXPECT_TRUE(damage().empty()) << "said once";
}

TEST_F(WireDamage, EveryWordIsLookedAt) {
  const std::uint32_t index = find_slot(*area_, 1)->index();
  const std::uint32_t second = find_slot(*area_, 2)->index();
  Control& control = raw_.control(index);
  const Control good = control;
  auto& set = control.sets[control.selector];
  const std::vector<std::pair<const char*, std::function<void()>>> damages = {
      {"its state", [&] { raw_.state(index) = 3; }},
      {"who it is", [&] { control.kind = 2; }},
      {"who it is", [&] { control.domid = 0x10000; }},
      {"its selector", [&] { control.selector = 2; }},
      {"its input", [&] { set.in_begin = control.in_end + 1; }},
      {"its input", [&] { control.in_origin = set.in_begin + 1; }},
      {"its input", [&] { control.in_end += wire_layout::kInputSize; }},
      {"its input", [&] { control.in_end = ~std::uint64_t{0}; }},
      {"its output", [&] { set.out_begin = control.out_sent + 1; }},
      {"its output", [&] { set.out_end = control.out_sent - 1; }},
      {"its output", [&] { set.out_end = kSmall.output_limit + 1; }},
      {"its output", [&] { control.out_sent = ~std::uint64_t{0}; }},
      {"its output", [&] { set.out_origin = 1; }},
      {"its output", [&] { set.out_origin = 3999 - 3 * kSmall.output_limit; }},
      {"its output",
       [&] {
         control.send_at = control.out_sent;
         control.send.msg_len = 1;
       }},
      {"its transactions", [&] { set.log_end = kSmall.log_limit + 1; }},
      {"its transactions", [&] { set.log_begin = set.log_end + 1; }},
      {"its transactions", [&] { set.log_origin = 1; }},
      {"its connection's id", [&] { raw_.control(second).connection = 1; }},
  };
  for (std::size_t i = 0; i < damages.size(); ++i) {
    damages[i].second();
    const auto found = damage();
    ASSERT_EQ(found.size(), 1U) << "damage " << i;
    EXPECT_NE(found[0].find(std::string(": ") + damages[i].first), std::string::npos)
        << "damage " << i << ": " << found[0];
    control = good;
    raw_.control(second).connection = 2;
    raw_.state(index) = raw_.state(second) = static_cast<std::uint32_t>(WireKind::kSocket);
  }
}

TEST_F(WireDamage, WhateverIsScribbledOverAdoptionAndUseSurvive) {
  const std::uint64_t head = raw_.geometry().block(kSmall.slots);
  const std::string good(raw_.at(0), head);
  std::mt19937_64 random(20261122);
  const std::uint64_t words[] = {0, 1, 4000, 1U << 20, 3U << 20, ~0U, 1ULL << 62, ~0ULL, ~0ULL - 1};
  std::size_t freed = 0;
  std::size_t kept = 0;
  for (int i = 0; i < 1000; ++i) {
    std::memcpy(raw_.at(0), good.data(), head);
    for (auto left = 1 + random() % 4; left > 0; --left) {
      // The header's checked words are another test's; here all others, the first slots' above all.
      const std::uint64_t where =
          random() % 4 == 0
              ? offsetof(wire_layout::Header, tag) + random() % (wire_layout::kStatesOffset + 32 -
                                                                 offsetof(wire_layout::Header, tag))
              : raw_.geometry().block(random() % 4) + random() % sizeof(Control);
      if (random() % 2 == 0) {
        raw_.at(0)[where] ^= static_cast<char>(1 << random() % 8);
      } else {
        const std::uint64_t word =
            random() % 4 == 0 ? random() : words[random() % std::size(words)];
        std::memcpy(raw_.at(where / 8 * 8), &word, sizeof word);
      }
    }
    const auto area = adopt_and_use();
    freed += area->damage().size();
    kept += area->open_count();
    EXPECT_LE(area->open_count() + area->damage().size(), kSmall.slots);
  }
  EXPECT_GT(freed, 150U);
  EXPECT_GT(kept, 1000U);
}

}  // namespace
}  // namespace vxs::daemon::test
