#include "store/env.hh"

#include <system_error>

namespace vxs::store {

IoError make_io_error(int code, std::string_view action, std::string_view path) {
  IoError error;
  error.code = code;
  error.what.append(action).append(" ").append(path).append(": ");
  error.what += std::generic_category().message(code);
  return error;
}

}  // namespace vxs::store
