#include "store/history_reader/requests.hh"

#include <algorithm>
#include <charconv>
#include <string_view>

namespace vxs::store::reader {
namespace {

std::string_view take_word(std::string_view& rest) {
  const std::size_t end = std::min(rest.find(' '), rest.size());
  const std::string_view word = rest.substr(0, end);
  rest.remove_prefix(std::min(end + 1, rest.size()));
  return word;
}

template <typename Number>
bool parse_whole(std::string_view text, Number& value) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc{} && end == text.data() + text.size();
}

template <typename Number>
bool parse_or_unknown(std::string_view text, std::optional<Number>& value) {
  if (text == "unknown") return true;
  return parse_whole(text, value.emplace());
}

std::string summarize(const HistoryCommit& commit, const std::vector<CommitRequest>& requests) {
  if (!commit.trailer("Split").empty()) return "split";
  if (!commit.trailer("Gap").empty()) return "gap";
  if (requests.empty()) return commit.trailer("Reason").empty() ? "" : "snapshot";
  const bool alike = std::all_of(requests.begin(), requests.end(), [&](const CommitRequest& each) {
    return each.op == requests.front().op;
  });
  if (alike) return requests.front().op;
  return commit.trailer("Transaction").empty() ? "several" : "transaction";
}

}  // namespace

CommitRequests requests_of(const HistoryCommit& commit) {
  CommitRequests result;
  for (const auto& [key, value] : commit.trailers) {
    if (key != "Request") continue;
    std::string_view rest = value;
    CommitRequest request;
    std::string_view op = take_word(rest);
    if (op.ends_with('+')) {
      request.implicit = true;
      op.remove_suffix(1);
    }
    request.op = op;
    request.path = take_word(rest);
    const bool is_path = request.path.starts_with('/') || request.path.starts_with('@');
    if (is_path) {
      result.requests.push_back(std::move(request));
    } else {
      result.complete = false;  // "… and 12 more"
    }
  }
  result.summary = summarize(commit, result.requests);
  return result;
}

std::optional<ConflictCause> conflict_cause(const HistoryCommit& commit) {
  std::string_view rest = commit.trailer("Conflicts-With");
  if (rest.empty()) return std::nullopt;
  ConflictCause cause;
  while (!rest.empty()) {
    const std::string_view word = take_word(rest);
    const std::size_t equals = std::min(word.find('='), word.size());
    const std::string_view key = word.substr(0, equals);
    const std::string_view value = word.substr(std::min(equals + 1, word.size()));
    if (key == "seq" && !parse_or_unknown(value, cause.seq)) return std::nullopt;
    if (key == "domain" && !parse_or_unknown(value, cause.domid)) return std::nullopt;
    if (key == "request") cause.request = value;
    if (key == "path") cause.path = value;
  }
  if (cause.seq == Seq{0}) cause.seq.reset();  // so it was written at first
  if (!cause.seq) cause.domid.reset();
  return cause;
}

CommitConnection connection_of(const HistoryCommit& commit) {
  CommitConnection connection;
  std::string_view rest = commit.trailer("Connection");
  std::uint64_t id = 0;
  if (!rest.empty() && parse_whole(take_word(rest), id)) connection.id = id;
  connection.peer = rest;
  return connection;
}

}  // namespace vxs::store::reader
