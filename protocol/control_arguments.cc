#include "protocol/control_arguments.hh"

#include "protocol/arguments.hh"

namespace vxs::protocol {

tl::expected<ControlArguments, Error> ControlArguments::parse(std::string_view payload) noexcept {
  ControlArguments result;
  result.count_ = split_strings(payload, result.strings_);
  if (result.count_ == 0 || result.count_ > result.strings_.size() || result.command().empty()) {
    return tl::unexpected(Error::kInval);
  }
  return result;
}

}  // namespace vxs::protocol
