// Input: the payload of a CONTROL request; the other ways to cut a payload are
// checked against it too.
#include <algorithm>
#include <string>
#include <string_view>

#include "protocol/arguments.hh"
#include "protocol/control_arguments.hh"
#include "tests/fuzz/check.hh"

namespace {

using vxs::fuzz::check;
using vxs::fuzz::lies_in;
using namespace vxs::protocol;

void check_control(std::string_view payload) {
  const std::size_t strings = count_strings(payload);
  const auto control = ControlArguments::parse(payload);
  const bool expected =
      strings >= 1 && strings <= kMaxControlArguments + 1 && payload.front() != '\0';
  check(control.has_value() == expected, "accepted exactly what the contract says");
  if (!control) {
    check(control.error() == Error::kInval, "the only error is EINVAL");
    return;
  }
  check(control->arguments().size() + 1 == strings, "every string is an argument");
  std::string joined(control->command());
  joined += '\0';
  for (const std::string_view argument : control->arguments()) {
    check(lies_in(argument, payload), "arguments are views of the payload");
    joined.append(argument).push_back('\0');
  }
  check(payload.substr(0, joined.size()) == joined, "the arguments joined are the payload");
  check(payload.find('\0', joined.size()) == std::string_view::npos, "only the tail is ignored");
}

void check_cuts(std::string_view payload) {
  const auto strings = split_strings<3>(payload);
  check(strings.count == count_strings(payload), "both counts agree");
  const auto first = split_first(payload);
  check(first.has_value() == (strings.count > 0), "a first string needs a NUL");
  if (first) {
    check(first->first == strings.at[0], "both first strings agree");
    check(first->first.size() + 1 + first->rest.size() == payload.size(), "nothing is lost");
  }
  const auto one = one_argument(payload);
  check(one.has_value() == (strings.count == 1 && payload.back() == '\0'), "one argument");
  if (one) check(*one == strings.at[0], "the one argument is the first string");
}

void check_numbers(std::string_view text) {
  const auto domid = parse_domid(text, EmptyDomId::kReject);
  const auto lenient = parse_lenient(text);
  if (domid) check(lenient == *domid, "a strict number reads leniently as the same");
  const auto depth = parse_watch_depth(text);
  check(depth.has_value() == (lenient >= 0), "only negative depths are refused");
  if (depth) check(*depth <= kMaxWatchDepth, "depth has a limit");
  if (lenient >= 0) {
    check(parse_part_offset(text) == static_cast<std::uint64_t>(lenient), "offsets are lenient");
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  const std::string_view payload(reinterpret_cast<const char*>(data), size);
  check_control(payload);
  check_cuts(payload);
  for (auto cut = split_first(payload); cut; cut = split_first(cut->rest)) {
    check_numbers(cut->first);
  }
  return 0;
}
