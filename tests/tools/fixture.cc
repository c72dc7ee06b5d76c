#include "tests/tools/fixture.hh"

#include <nlohmann/json.hpp>
#include <sstream>

namespace vxs::test {

std::vector<nlohmann::json> SampleTest::objects(const std::string& text) {
  std::vector<nlohmann::json> all;
  for (const std::string& line : lines(text)) all.push_back(nlohmann::json::parse(line));
  return all;
}

std::vector<std::string> SampleTest::lines(const std::string& text) {
  std::vector<std::string> all;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) all.push_back(line);
  return all;
}

std::vector<std::string> SampleTest::seqs(const std::string& text) {
  std::vector<std::string> all;
  for (const std::string& line : lines(text)) {
    std::istringstream words(line);
    std::string word;
    words >> word;
    all.push_back(word);
  }
  return all;
}

}  // namespace vxs::test
