#include "tests/crash/repository.hh"

#include <sys/wait.h>

#include <cstdio>
#include <memory>
#include <sstream>
#include <stdexcept>

#include "protocol/permissions.hh"
#include "store/history/history_writer.hh"

namespace vxs::test {
namespace {

std::string perms_text(const store::PermSet& perms) {
  std::string text;
  protocol::append_perm_entries(perms.entries(), text);
  return text;
}

StoreDump dump_tree(const store::Tree& tree) {
  StoreDump dump;
  tree.walk([&](std::string_view path, const store::Node& node) {
    DumpedNode& dumped = dump[std::string(path)];
    dumped.value = node.value();
    dumped.perms = perms_text(*node.perms());
    std::string names;
    (void)node.append_child_names(names, 0, node.child_names_bytes());
    for (std::size_t at = 0; at < names.size(); at = names.find('\0', at) + 1) {
      dumped.children.emplace_back(names.c_str() + at);
    }
    return true;
  });
  for (const std::string name : {"@introduceDomain", "@releaseDomain"}) {
    dump[name].perms = perms_text(*tree.find(name)->perms());
  }
  return dump;
}

}  // namespace

GitOutcome git(const std::string& repository, const std::string& arguments) {
  const std::string command = "git --git-dir='" + repository + "' " + arguments + " 2>&1";
  FILE* pipe = ::popen(command.c_str(), "r");
  if (pipe == nullptr) throw std::runtime_error("popen: " + command);
  GitOutcome outcome;
  char buffer[4096];
  std::size_t count = 0;
  while ((count = std::fread(buffer, 1, sizeof buffer, pipe)) > 0)
    outcome.out.append(buffer, count);
  const int status = ::pclose(pipe);
  outcome.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  return outcome;
}

std::string main_head(const std::string& repository) {
  const auto outcome = git(repository, "rev-parse --verify --quiet refs/heads/main");
  return outcome.exit_code == 0 ? outcome.out.substr(0, outcome.out.find('\n')) : "";
}

std::set<std::string> main_commits(const std::string& repository) {
  const auto outcome = git(repository, "rev-list refs/heads/main");
  if (outcome.exit_code != 0) throw std::runtime_error("git rev-list main: " + outcome.out);
  std::set<std::string> commits;
  std::istringstream lines(outcome.out);
  for (std::string line; std::getline(lines, line);) commits.insert(line);
  return commits;
}

std::string fsck(const std::string& repository) {
  const auto outcome = git(repository, "fsck --full --strict --no-dangling --no-progress");
  if (outcome.exit_code == 0 && outcome.out.empty()) return "";
  return "git fsck ended with " + std::to_string(outcome.exit_code) + ": " + outcome.out;
}

std::string compare_with_history(const std::string& repository, const StoreDump& dump,
                                 const std::string& spot) {
  store::PermTable perms;
  store::TreeStats stats;
  const protocol::PermEntry nobody{.domid = 0};
  const auto list = perms.intern({&nobody, 1});
  store::Tree tree(stats, list, list, list);
  std::vector<std::string> missing;
  const auto loaded = store::load_tree_from_history(repository, perms, tree, missing);
  if (!loaded) return "load_tree_from_history: " + loaded.error().message;
  if (!missing.empty()) return "history does not have the value of " + missing.front();
  if (auto text = difference(dump, dump_tree(tree), false); !text.empty()) {
    return "in history, " + text;
  }
  if (spot.empty()) return "";
  const bool directory =
      git(repository, "cat-file -t main:" + spot.substr(1)).out.starts_with("tree");
  const std::string file = spot.substr(1) + (directory ? "/.value" : "");
  const auto shown_value = git(repository, "show main:" + file);
  if (shown_value.exit_code != 0 || shown_value.out != dump.at(spot).value + "\n") {
    return "git show main:" + file + " says " + shown(shown_value.out);
  }
  return "";
}

}  // namespace vxs::test
