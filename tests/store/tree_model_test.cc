// Random changes on random versions of a family, compared with the naive model. Built a second
// time with hashes of three bits, so that names collide everywhere.
#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <array>
#include <memory>

#include "store/tree_hash.hh"
#include "tree_model.hh"

namespace vxs::store::test {
namespace {

enum class StepKind : std::uint8_t {
  kCreate,
  kCreateMany,
  kCreateRun,
  kWrite,
  kRemove,
  kRemoveMany,
  kSetPerms,
  kSnapshot,
  kForget,
  kMisfit,
};

/// Numbers that a run interprets modulo what it finds, so that any part of a sequence is one too.
struct Step {
  StepKind kind;
  unsigned handle;
  unsigned place;
  unsigned name;
  unsigned extra;
};

void showValue(const Step& step, std::ostream& os) {
  os << "{" << int(step.kind) << "," << step.handle << "," << step.place << "," << step.name << ","
     << step.extra << "}";
}

rc::Gen<Step> any_step() {
  using K = StepKind;
  const auto kind = rc::gen::weightedElement<K>({{6, K::kCreate},
                                                 {2, K::kCreateMany},
                                                 {1, K::kCreateRun},
                                                 {6, K::kWrite},
                                                 {3, K::kRemove},
                                                 {2, K::kRemoveMany},
                                                 {3, K::kSetPerms},
                                                 {3, K::kSnapshot},
                                                 {2, K::kForget},
                                                 {1, K::kMisfit}});
  const auto number = rc::gen::inRange<unsigned>(0, 10'000);
  return rc::gen::apply(
      [](K k, unsigned handle, unsigned place, unsigned name, unsigned extra) {
        return Step{k, handle, place, name, extra};
      },
      kind, number, number, number, number);
}

std::string make_name(unsigned number) {
  std::string name = "n" + std::to_string(number % 97);
  if (number % 11 == 0) name += std::string(number % 300, 'x');
  if (number % 101 == 0) name += std::string(2500, 'y');
  return name;
}

class Family {
 public:
  Family() {
    for (DomId domid = 0; domid < 5; ++domid) {
      const std::array<protocol::PermEntry, 1> entries{{{domid, protocol::Access::kRead, 0}}};
      perms_.push_back(table_.intern(entries));
    }
    handles_.push_back({Tree(stats_, perms_[0], perms_[0], perms_[0]), TreeModel(perms_[0])});
  }

  void run(const Step& step) {
    Handle& handle = handles_[step.handle % handles_.size()];
    const std::string place = pick(handle.model, step.place);
    switch (step.kind) {
      case StepKind::kCreate:
        create(handle, place, step.name, step.extra);
        break;
      case StepKind::kCreateMany:
        for (unsigned i = 0; i < step.extra % 60; ++i) create(handle, place, step.name + i, i);
        break;
      case StepKind::kCreateRun:
        create_run(handle, place, step.name, step.extra);
        break;
      case StepKind::kWrite:
        change(handle, {ChangeKind::kWrite, false, place, make_value(step.extra), {}});
        break;
      case StepKind::kRemove:
        change(handle, {ChangeKind::kRemove, false, place, {}, {}});
        break;
      case StepKind::kRemoveMany:
        remove_many(handle, place, step.name, step.extra);
        break;
      case StepKind::kSetPerms:
        change(handle, {ChangeKind::kSetPerms,
                        false,
                        step.extra % 9 == 0 ? "@releaseDomain" : place,
                        {},
                        perms_[step.name % perms_.size()]});
        break;
      case StepKind::kSnapshot:
        if (handles_.size() < 8) handles_.push_back(Handle(handle));
        break;
      case StepKind::kForget:
        if (handles_.size() > 1) {
          handles_.erase(handles_.begin() + step.handle % static_cast<long>(handles_.size()));
        }
        break;
      case StepKind::kMisfit:
        misfit(handle, place, step.name);
        break;
    }
  }

  void check_all() const {
    for (const Handle& handle : handles_) RC_ASSERT(handle.model.difference(handle.tree) == "");
  }

  /// Every version loads into an equal tree of another family; the last version left is all the
  /// memory there is, and then there is none.
  void check_end() {
    check_all();
    while (!handles_.empty()) {
      Handle& last = handles_.back();
      TreeStats stats;
      {
        const Tree loaded = last.model.loaded(stats);
        RC_ASSERT(last.model.difference(loaded) == "");
        RC_ASSERT(loaded.state_hash() == last.tree.state_hash());
        RC_ASSERT(stats.total_bytes == loaded.bytes());
      }
      RC_ASSERT(stats.total_bytes == 0U);
      RC_ASSERT(stats.total_nodes == 0U);
      if (handles_.size() == 1) {
        RC_ASSERT(stats_.total_bytes == last.tree.bytes());
        RC_ASSERT(stats_.total_nodes == last.tree.node_count() + 2);
      }
      handles_.pop_back();
    }
    RC_ASSERT(stats_.total_bytes == 0U);
    RC_ASSERT(stats_.total_nodes == 0U);
  }

 private:
  struct Handle {
    Tree tree;
    TreeModel model;
  };

  static std::string pick(const TreeModel& model, unsigned place) {
    if (place % 3 == 0) return "/";
    auto at = model.nodes().begin();
    std::advance(at, place % model.nodes().size());
    return at->first;
  }
  static std::string make_value(unsigned number) {
    return std::string(number % 13 == 0 ? number % 4000 : number % 40, static_cast<char>(number));
  }

  void change(Handle& handle, const Change& change) {
    ++seq_;
    const std::uint64_t before = handle.tree.state_hash();
    const Tree copy = seq_ % 2 == 0 ? handle.tree : Tree(stats_, perms_[0], perms_[0], perms_[0]);
    const bool fits = handle.model.apply(change, seq_);
    RC_ASSERT(handle.tree.apply(change, seq_) == fits);
    if (!fits) {
      RC_ASSERT(handle.tree.state_hash() == before);
      if (seq_ % 2 == 0) RC_ASSERT(handle.tree.same_version(copy));
    } else if (seq_ % 2 == 0) {
      RC_ASSERT(copy.state_hash() == before);
      RC_ASSERT(state_hash_from(handle.tree, copy, before) == handle.tree.state_hash());
    }
  }
  void create(Handle& handle, const std::string& place, unsigned name, unsigned extra) {
    const std::string path = child_path(place, make_name(name));
    change(handle,
           {ChangeKind::kCreate, false, path, make_value(extra), perms_[extra % perms_.size()]});
  }
  /// The tree takes them at once, the model one after the other.
  void create_run(Handle& handle, std::string path, unsigned name, unsigned extra) {
    const unsigned count = 2 + extra % 4;
    const Seq step = extra % 2;
    std::vector<std::string> paths;
    std::vector<std::string> values;
    for (unsigned i = 0; i < count; ++i) {
      path = child_path(path, i == 0 ? make_name(name) : "r" + std::to_string(name % 5));
      paths.push_back(path);
      values.push_back(make_value(extra + i));
    }
    std::vector<Change> run;
    for (unsigned i = 0; i < count; ++i) {
      run.push_back({ChangeKind::kCreate, i + 1 < count, paths[i], values[i],
                     perms_[(extra + i) % perms_.size()]});
    }
    RC_ASSERT(run_length(run) == count);
    const Tree copy = name % 2 == 0 ? handle.tree : Tree(stats_, perms_[0], perms_[0], perms_[0]);
    const std::uint64_t before = handle.tree.state_hash();
    const Seq first = seq_ + 1;
    bool fits = true;
    for (const Change& change : run) {
      const Seq at = first + static_cast<Seq>(&change - run.data()) * step;
      fits = fits && handle.model.apply(change, at);
    }
    RC_ASSERT(handle.tree.apply_run(run, first, step) == fits);
    seq_ += count;
    if (!fits) RC_ASSERT(handle.tree.state_hash() == before);
    if (name % 2 != 0) return;
    RC_ASSERT(copy.state_hash() == before);
    RC_ASSERT(state_hash_from(handle.tree, copy, before) == handle.tree.state_hash());
  }
  void remove_many(Handle& handle, const std::string& place, unsigned name, unsigned count) {
    std::vector<std::string> children = handle.model.nodes().at(place).children;
    for (unsigned i = 0; i < count % 60 && !children.empty(); ++i) {
      const auto at = children.begin() + (name * (i + 1)) % static_cast<long>(children.size());
      change(handle, {ChangeKind::kRemove, false, child_path(place, *at), {}, {}});
      children.erase(at);
    }
  }
  void misfit(Handle& handle, const std::string& place, unsigned number) {
    static const std::array<std::string, 8> kPaths{"",  "a",       "//n1", "/n1/",
                                                   "/", "/no/way", "@no",  "@introduceDomain"};
    const std::string& path = kPaths[number % kPaths.size()];
    const auto kind = static_cast<ChangeKind>(1 + number / 8 % 3);
    if (path == "/" && kind == ChangeKind::kWrite) return;  // that fits
    change(handle, {kind, false, path, "v", perms_[0]});
    change(handle, {ChangeKind::kCreate, false, child_path(place, "no-perms"), "v", {}});
  }

  PermTable table_;
  std::vector<PermRef> perms_;
  TreeStats stats_;
  std::vector<Handle> handles_;
  Seq seq_ = 0;
};

#if defined(VXS_ASAN) || defined(VXS_TSAN)
constexpr int kMostSteps = 100;
#else
constexpr int kMostSteps = 300;
#endif

RC_GTEST_PROP(TreeModel, EveryVersionKeepsItsContentUnderRandomChanges, ()) {
  const auto steps =
      *rc::gen::resize(kMostSteps, rc::gen::container<std::vector<Step>>(any_step()));
  Family family;
  std::size_t done = 0;
  for (const Step& step : steps) {
    family.run(step);
    if (++done % 10 == 0) family.check_all();
  }
  family.check_end();
}

}  // namespace
}  // namespace vxs::store::test
