#include "tests/store/history/git_tool.hh"

#include <git2.h>
#include <sys/wait.h>

#include <array>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <stdexcept>

#include "tests/support/temp_dir.hh"

namespace vxs::history_test {
namespace {

// libgit2's indexer resolves every delta and checks every id; it also rejects duplicates.
std::string indexer_complaint(const std::string& pack) {
  const support::TempDir scratch;
  git_libgit2_init();
  git_indexer* indexer = nullptr;
  git_indexer_progress progress{};
  std::string complaint;
  std::ifstream file(pack, std::ios::binary);
  std::stringstream bytes;
  bytes << file.rdbuf();
  const std::string data = bytes.str();
  if (git_indexer_new(&indexer, scratch.path().c_str(), 0600, nullptr, nullptr) != 0 ||
      git_indexer_append(indexer, data.data(), data.size(), &progress) != 0 ||
      git_indexer_commit(indexer, &progress) != 0) {
    complaint = pack + ": indexer: " + git_error_last()->message + "\n";
  } else {
    std::ifstream ours(pack.substr(0, pack.size() - 4) + "idx", std::ios::binary);
    std::ifstream theirs(scratch.path() + "/pack-" + git_indexer_name(indexer) + ".idx",
                         std::ios::binary);
    std::stringstream a;
    std::stringstream b;
    a << ours.rdbuf();
    b << theirs.rdbuf();
    if (!theirs || a.str() != b.str()) complaint = pack + ": index differs from libgit2's\n";
  }
  git_indexer_free(indexer);
  git_libgit2_shutdown();
  return complaint;
}

}  // namespace

Output shell(const std::string& command) {
  FILE* pipe = popen(("exec 2>&1; " + command).c_str(), "r");
  if (pipe == nullptr) throw std::runtime_error("popen failed");
  Output output;
  std::array<char, 65536> buffer{};
  std::size_t got = 0;
  while ((got = fread(buffer.data(), 1, buffer.size(), pipe)) > 0) {
    output.text.append(buffer.data(), got);
  }
  const int status = pclose(pipe);
  output.status = WIFEXITED(status) ? WEXITSTATUS(status) : 128;
  return output;
}

Output git(const std::string& repository, const std::string& arguments) {
  return shell(
      "GIT_CONFIG_NOSYSTEM=1 GIT_CONFIG_GLOBAL=/dev/null GIT_PAGER=cat git -c "
      "safe.directory='*' -C '" +
      repository + "' " + arguments);
}

std::string git_ok(const std::string& repository, const std::string& arguments) {
  Output output = git(repository, arguments);
  if (output.status != 0) throw std::runtime_error("git " + arguments + ": " + output.text);
  return output.text;
}

std::string fsck_complaints(const std::string& repository) {
  const Output fsck = git(repository, "fsck --full --strict --no-progress --no-dangling");
  std::string text = fsck.text;
  constexpr std::string_view kUnborn = "notice: HEAD points to an unborn branch (main)\n";
  if (text.starts_with(kUnborn)) text.erase(0, kUnborn.size());
  if (text.starts_with("notice: No default references\n")) text.clear();
  if (fsck.status != 0) text += "fsck: exit status " + std::to_string(fsck.status) + "\n";
  return text;
}

std::string complaints(const std::string& repository) {
  std::string text = fsck_complaints(repository);
  bool any_pack = false;
  for (const auto& entry : std::filesystem::directory_iterator(repository + "/objects/pack")) {
    if (entry.path().extension() != ".pack") continue;
    const std::string pack = entry.path();
    any_pack = true;
    text += indexer_complaint(pack);
  }
  if (!any_pack) return text;
  const Output verify = git(repository, "verify-pack '" + repository + "'/objects/pack/*.idx");
  if (verify.status != 0) text += verify.text;
  return text;
}

std::vector<std::string> lines(std::string_view text) {
  std::vector<std::string> result;
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    result.emplace_back(text.substr(0, end));
    text = end == std::string_view::npos ? std::string_view{} : text.substr(end + 1);
  }
  return result;
}

}  // namespace vxs::history_test
