#include "tools/vxs/graph.hh"

#include <algorithm>

namespace vxs::tools {

std::size_t Graph::take_lane(Seq base_seq) {
  auto lane =
      std::find_if(lanes_.begin(), lanes_.end(), [](const Lane& each) { return !each.open; });
  if (lane == lanes_.end()) lane = lanes_.insert(lane, Lane{});
  *lane = {true, base_seq};
  return static_cast<std::size_t>(lane - lanes_.begin()) + 1;
}

std::string Graph::row(std::size_t column, char mark) const {
  std::string text(1, column == 0 ? mark : '|');
  for (std::size_t i = 1; i <= lanes_.size(); ++i) {
    text += ' ';
    text += i == column ? mark : lanes_[i - 1].open ? '|' : ' ';
  }
  text.erase(text.find_last_not_of(' ') + 1);
  return text;
}

std::string Graph::connector(std::size_t column, char end) const {
  std::string text = "|";
  for (std::size_t i = 1; i < column; ++i) {
    text += '-';
    text += lanes_[i - 1].open ? '|' : '-';
  }
  text += '-';
  text += end;
  for (std::size_t i = column + 1; i <= lanes_.size(); ++i) {
    text += lanes_[i - 1].open ? " |" : "  ";
  }
  text.erase(text.find_last_not_of(' ') + 1);
  return text;
}

std::vector<std::string> Graph::close_branches(Seq seq) {
  std::vector<std::string> rows;
  for (std::size_t i = lanes_.size(); i > 0; --i) {
    Lane& lane = lanes_[i - 1];
    if (!lane.open || lane.base_seq < seq) continue;
    lane.open = false;
    rows.push_back(connector(i, '\''));
  }
  while (!lanes_.empty() && !lanes_.back().open) lanes_.pop_back();
  return rows;
}

std::string Graph::main_row() const { return row(0, '*'); }

std::string Graph::open_branch(Seq base_seq, std::string& above) {
  const std::size_t column = take_lane(base_seq);
  above = connector(column, '.');
  return row(column, '*');
}

std::string Graph::open_failed(Seq base_seq) { return row(take_lane(base_seq), 'x'); }

std::string Graph::plain_row() const { return row(0, '|'); }

}  // namespace vxs::tools
