// Limits as plain numbers.
#pragma once

#include <optional>

#include "transactions/limits.hh"

namespace vxs::transactions::test {

class SomeLimits final : public Limits {
 public:
  std::uint64_t most_nodes = 0, size = 0, touched = 0, memory = 0;
  std::uint64_t owned = 0, used = 0;
  int refusals = 0;
  std::uint64_t nodes() const noexcept override { return most_nodes; }
  std::uint64_t node_size() const noexcept override { return size; }
  std::uint64_t transaction_nodes() const noexcept override { return touched; }
  std::uint64_t nodes_owned() const noexcept override { return owned; }
  std::optional<Owner> full{};  // has no memory left
  bool has_memory(const Owner& owner, std::uint64_t bytes) const noexcept override {
    if (full == owner) return bytes == 0;
    return memory == 0 || used + bytes <= memory;
  }
  void saw(Resource, std::uint64_t) noexcept override {}
  void refused(Resource, const Owner&) override { ++refusals; }
};

}  // namespace vxs::transactions::test
