#include "store/history_reader/fold.hh"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "store/history_reader/requests.hh"

namespace vxs::store::reader {
namespace {

std::string_view take_word(std::string_view& rest) {
  const std::size_t end = std::min(rest.find(' '), rest.size());
  const std::string_view word = rest.substr(0, end);
  rest.remove_prefix(std::min(end + 1, rest.size()));
  return word;
}

/// "1234 time=1700000000 domain=5 … connection=17 pid=812 uid=0 command=xl create": what follows
/// connection= is one field.
HistoryCommit parse_record(const HistoryCommit& folded, const HistoryFold& fold,
                           std::string_view rest) {
  HistoryCommit record;
  record.id = folded.id;
  record.tree = folded.tree;
  record.parents = folded.parents;
  record.author_time = folded.author_time;
  record.committer_time = folded.committer_time;
  record.fold = fold;
  record.trailers.emplace_back("Seq", take_word(rest));
  while (!rest.empty()) {
    const std::string_view all = rest;
    const std::string_view word = take_word(rest);
    const std::size_t equals = std::min(word.find('='), word.size());
    const std::string_view key = word.substr(0, equals);
    const std::string_view value = word.substr(std::min(equals + 1, word.size()));
    if (key == "time") {
      std::from_chars(value.data(), value.data() + value.size(), record.author_time);
    } else if (key == "domain") {
      record.trailers.emplace_back("Domain", value);
    } else if (key == "incarnation") {
      record.trailers.emplace_back("Incarnation", value);
    } else if (key == "transaction") {
      record.trailers.emplace_back("Transaction", value);
    } else if (key == "base") {
      record.trailers.emplace_back("Base-Seq", value);
    } else if (key == "connection") {
      record.trailers.emplace_back("Connection", all.substr(equals + 1));
      break;
    }
  }
  return record;
}

/// As the writer would have said it of a commit of its own.
std::string make_subject(const HistoryCommit& record) {
  const std::string who = "dom" + std::string(record.trailer("Domain"));
  std::string_view only;
  std::size_t count = 0;
  for (const auto& [key, value] : record.trailers) {
    if (key != "Request" || value.starts_with("create+ ")) continue;
    only = value;
    ++count;
  }
  if (count == 1) return who + ' ' + std::string(only);
  const bool transaction = !record.trailer("Transaction").empty();
  return fmt::format("{}{}: {} changes", who, transaction ? " transaction" : "", count);
}

}  // namespace

std::vector<HistoryCommit> unfold(const HistoryCommit& commit) {
  std::vector<HistoryCommit> records;
  const auto range = commit.fold_range();
  if (!range) return {commit};
  for (const auto& [key, value] : commit.trailers) {
    if (key == "Record") {
      records.push_back(parse_record(commit, *range, value));
    } else if (key == "Request" && !records.empty()) {
      records.back().trailers.emplace_back(key, value);
    }
  }
  if (records.empty()) return {commit};
  for (HistoryCommit& record : records) record.subject = make_subject(record);
  std::reverse(records.begin(), records.end());
  return records;
}

std::optional<HistoryCommit> find_record(const HistoryCommit& commit, Seq seq) {
  for (HistoryCommit& record : unfold(commit)) {
    if (record.seq() == seq) return std::move(record);
  }
  return std::nullopt;
}

bool may_touch(const HistoryCommit& commit, std::string_view path) {
  if (path == "/" || path.empty()) return true;
  const CommitRequests requests = requests_of(commit);
  if (!requests.complete) return true;
  const auto is_below = [](std::string_view inner, std::string_view outer) {
    return inner.starts_with(outer) && inner.size() > outer.size() && inner[outer.size()] == '/';
  };
  return std::any_of(requests.requests.begin(), requests.requests.end(),
                     [&](const CommitRequest& request) {
                       return request.path == path || is_below(request.path, path) ||
                              (request.op == "rm" && is_below(path, request.path));
                     });
}

}  // namespace vxs::store::reader
