// What one client of the soak knows of its own subtree: the plain rules of WRITE, MKDIR, RM and
// SET_PERMS for a caller who may do everything in it (conformance B2..B8, C10), nothing of the
// daemon's code.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "tests/crash/store_dump.hh"
#include "tests/support/wire_client.hh"

namespace vxs::test {

struct ModelRequest {
  support::Type type = support::kWrite;
  std::string path;
  std::string argument;  // the value, or the permissions in wire form
  [[nodiscard]] std::string payload() const;
};

class Model {
 public:
  // A subtree of one empty node, which no request removes.
  Model(std::string root, std::string perms);

  // What the daemon has to answer: "" for OK, else the error's name. The model follows. A guest
  // owns what it creates (C10): `creator` is its domid, 0 for privileged callers.
  std::string apply(const ModelRequest& request, std::uint32_t creator = 0);

  [[nodiscard]] const std::string& root() const { return root_; }
  [[nodiscard]] std::size_t size() const { return nodes_.size(); }
  [[nodiscard]] bool has(const std::string& path) const { return nodes_.contains(path); }
  [[nodiscard]] const std::string* value(const std::string& path) const;
  // A path below the root, the nth of them; "" if there is none.
  [[nodiscard]] std::string nth(std::size_t n) const;

  // The daemon said that a node has this generation: it has it until the model changes the node.
  // False if the model knows better.
  bool note_generation(const std::string& path, std::uint64_t generation);

  // What a dump of the daemon would be; no generations.
  [[nodiscard]] StoreDump dump() const;
  // "" if the dump is this very subtree, children's order and known generations included; else what
  // differs. With `younger`, generations have only to be above the known ones (state from Git).
  [[nodiscard]] std::string compare(const StoreDump& dump, bool younger = false) const;
  // Takes the generations of a dump that compares equal.
  void adopt_generations(const StoreDump& dump);

 private:
  struct Node {
    std::string value;
    std::string perms;
    std::uint64_t born = 0;
    std::optional<std::uint64_t> generation;
  };
  std::string create(const std::string& path, const std::string& value, std::uint32_t creator);

  std::string root_;
  std::uint64_t births_ = 0;
  std::map<std::string, Node> nodes_;
};

}  // namespace vxs::test
