#include "daemon/process/start_error.hh"

#include <system_error>

namespace vxs::process {

tl::unexpected<StartError> start_error(const std::string& what, int code) {
  return tl::make_unexpected(StartError{what + ": " + std::generic_category().message(code)});
}

tl::unexpected<StartError> start_error(const std::string& what) {
  return tl::make_unexpected(StartError{what});
}

}  // namespace vxs::process
