#include "tests/bench/simple_scripts.hh"

#include <utility>

#include "tests/bench/block_script.hh"
#include "tests/bench/error.hh"

namespace vxs::bench {

namespace {

constexpr unsigned kReads = 3;
constexpr const char* kGuestPath = "device/vif/0/state";

// Values of a constant length, so that the work per operation is the same.
std::string value_of(std::uint64_t counter) {
  return std::to_string(10'000'000 + counter % 10'000'000);
}

BlockRequest read_of(const std::string& path) { return {MessageType::kRead, path_body(path)}; }
BlockRequest write_of(const std::string& path, std::uint64_t counter) {
  return {MessageType::kWrite, write_body(path, value_of(counter))};
}

// READ and WRITE skip BlockScript: the client should cost as little as it can.
class ReadScript final : public Script {
 public:
  explicit ReadScript(const std::string& path) {
    append_request(request_, MessageType::kRead, 0, {path_body(path)});
  }
  bool next_request(std::string& out) override {
    out.append(request_);
    return true;
  }
  Step on_reply(const Reply& reply) override {
    if (reply.type != MessageType::kRead) throw BenchError("a READ was refused");
    return Step::kDone;
  }

 private:
  std::string request_;
};

class WriteScript final : public Script {
 public:
  explicit WriteScript(const std::string& path) : body_(path_body(path)) {}
  bool next_request(std::string& out) override {
    append_request(out, MessageType::kWrite, 0, {body_, value_of(++counter_)});
    return true;
  }
  Step on_reply(const Reply& reply) override {
    if (reply.type != MessageType::kWrite) throw BenchError("a WRITE was refused");
    return Step::kDone;
  }

 private:
  std::string body_;
  std::uint64_t counter_ = 0;
};

class DisjointTransactionScript final : public BlockScript {
 public:
  explicit DisjointTransactionScript(unsigned index) : index_(index) {}

 protected:
  std::vector<Block> refill() override {
    ++counter_;
    Block block{true, {}};
    for (unsigned part = 0; part < kReads; ++part) {
      block.requests.push_back(read_of(client_path(index_, part)));
    }
    for (unsigned part = 0; part < kReads; ++part) {
      block.requests.push_back(write_of(client_path(index_, part), counter_));
    }
    return {std::move(block)};
  }

 private:
  unsigned index_;
  std::uint64_t counter_ = 0;
};

class SiblingTransactionScript final : public BlockScript {
 public:
  explicit SiblingTransactionScript(unsigned index) : kept_(sibling_path(index)) {}

 protected:
  std::vector<Block> refill() override {
    const std::string previous = kept_ + "-" + std::to_string(counter_);
    ++counter_;
    const std::string created = kept_ + "-" + std::to_string(counter_);
    Block block{true, {}};
    for (unsigned i = 0; i < kReads; ++i) block.requests.push_back(read_of(kept_));
    block.requests.push_back(write_of(kept_, counter_));
    block.requests.push_back(write_of(created, counter_));
    block.requests.push_back({MessageType::kRm, path_body(previous)});
    return {std::move(block)};
  }

 private:
  std::string kept_;
  std::uint64_t counter_ = 0;
};

}  // namespace

std::string client_path(unsigned index, unsigned part) {
  return "/local/domain/" + std::to_string(index + 1) + "/device/vif/" + std::to_string(part) +
         "/state";
}

std::string siblings_parent() { return "/local/domain/0/backend/vif"; }

std::string sibling_path(unsigned index) {
  return siblings_parent() + "/" + std::to_string(index + 1);
}

std::unique_ptr<Script> make_read_script(unsigned index) {
  return std::make_unique<ReadScript>(client_path(index, 0));
}
std::unique_ptr<Script> make_write_script(unsigned index) {
  return std::make_unique<WriteScript>(client_path(index, 0));
}
std::unique_ptr<Script> make_guest_read_script(unsigned) {
  return std::make_unique<ReadScript>(kGuestPath);
}
std::unique_ptr<Script> make_guest_write_script(unsigned) {
  return std::make_unique<WriteScript>(kGuestPath);
}
std::unique_ptr<Script> make_disjoint_transaction_script(unsigned index) {
  return std::make_unique<DisjointTransactionScript>(index);
}
std::unique_ptr<Script> make_sibling_transaction_script(unsigned index) {
  return std::make_unique<SiblingTransactionScript>(index);
}

}  // namespace vxs::bench
