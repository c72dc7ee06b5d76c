// How commits and changes of nodes look, as text and as JSON. `log`, `show`, `diff` and `conflicts`
// share it.
#pragma once

#include <string>
#include <vector>

#include "store/history_reader/change_log.hh"
#include "store/history_reader/requests.hh"
#include "store/history_reader/tree_diff.hh"
#include "tools/vxs/context.hh"
#include "tools/vxs/json.hh"

namespace vxs::tools {

/// "  1234  2026-11-22 07:24:05  1a2b3c4d5e  dom5 write …" without a newline.
void write_entry_line(Output& out, const reader::LogEntry& entry);

/// "READ /a was no longer true: dom3 made Seq 8", as far as it is known.
[[nodiscard]] std::string describe_cause(const reader::ConflictCause& cause);

/// One change on a line of its own, indented: "+" made, "-" removed, "~" another value, "p" other
/// permissions.
void write_change(Output& out, const reader::NodeChange& change);

/// What one record of a folded commit lists, a line for each request, after `mark`: its trees show
/// the other records' changes too.
void write_listed(Output& out, const reader::HistoryCommit& commit, std::string_view mark = {});

/// The op of a change: create, write, rm, perms; several with "+" between.
[[nodiscard]] std::string change_op(const reader::NodeChange& change);
[[nodiscard]] JsonObject change_json(const reader::NodeChange& change);

/// The object of --json: seq, commit, time, domid, connection, op, paths, transaction,
/// conflicts_with, and more. Reads trees only if the commit does not list its requests.
/// `with_changes` adds "changes". One record of a folded commit has "folded" and "requests"
/// instead. Errors: kUnreadable.
[[nodiscard]] reader::ReadResult<JsonObject> entry_json(const reader::Repository& repository,
                                                        const reader::LogEntry& entry,
                                                        bool with_changes);

/// What a commit changed against its first parent, at and below `path`. Errors: kUnreadable.
[[nodiscard]] reader::ReadResult<void> commit_changes(
    const reader::Repository& repository, const reader::HistoryCommit& commit,
    std::string_view path, const std::function<bool(const reader::NodeChange&)>& visit);

}  // namespace vxs::tools
