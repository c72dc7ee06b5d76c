// Draws which transactions ran beside each other.
//
// Column 0 is main. A transaction that met another head than it started from has a column of its
// own from the commit it merged into (or its failure) down to its base; a column is free again
// below the base, and columns never move, so crossing lines cannot be misread.
#pragma once

#include <string>
#include <vector>

#include "protocol/ids.hh"

namespace vxs::tools {

class Graph {
 public:
  /// Rows that must stand above a commit of main with this Seq: one for each open branch whose base
  /// it is.
  [[nodiscard]] std::vector<std::string> close_branches(Seq seq);
  /// The marks of a commit on main.
  [[nodiscard]] std::string main_row() const;
  /// The branch of a transaction begins below the merge just drawn: `above` receives the connecting
  /// row. Returns the marks of the transaction's own commit.
  [[nodiscard]] std::string open_branch(Seq base_seq, std::string& above);
  /// A transaction that failed: as open_branch, but nothing connects its end to main.
  [[nodiscard]] std::string open_failed(Seq base_seq);
  /// The marks of a line of text below a commit.
  [[nodiscard]] std::string plain_row() const;

 private:
  struct Lane {
    bool open = false;
    Seq base_seq = 0;
  };
  std::size_t take_lane(Seq base_seq);
  [[nodiscard]] std::string row(std::size_t column, char mark) const;
  [[nodiscard]] std::string connector(std::size_t column, char end) const;

  std::vector<Lane> lanes_;  // column 1 onwards
};

}  // namespace vxs::tools
