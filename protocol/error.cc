#include "protocol/error.hh"

#include <array>
#include <cerrno>
#include <cstddef>

namespace vxs::protocol {

namespace {

struct Row {
  Error error;
  std::string_view name;
  int host_errno;
};

// In the order of the enumerators, so that error_name is one indexing.
constexpr std::array<Row, 16> kRows{{
    {Error::kInval, "EINVAL", EINVAL},
    {Error::kAcces, "EACCES", EACCES},
    {Error::kExist, "EEXIST", EEXIST},
    {Error::kIsdir, "EISDIR", EISDIR},
    {Error::kNoent, "ENOENT", ENOENT},
    {Error::kNomem, "ENOMEM", ENOMEM},
    {Error::kNospc, "ENOSPC", ENOSPC},
    {Error::kIo, "EIO", EIO},
    {Error::kNotempty, "ENOTEMPTY", ENOTEMPTY},
    {Error::kNosys, "ENOSYS", ENOSYS},
    {Error::kRofs, "EROFS", EROFS},
    {Error::kBusy, "EBUSY", EBUSY},
    {Error::kAgain, "EAGAIN", EAGAIN},
    {Error::kIsconn, "EISCONN", EISCONN},
    {Error::k2big, "E2BIG", E2BIG},
    {Error::kPerm, "EPERM", EPERM},
}};

constexpr bool rows_follow_the_enumerators() {
  for (std::size_t i = 0; i < kRows.size(); ++i) {
    if (static_cast<std::size_t>(kRows[i].error) != i) return false;
  }
  return true;
}
static_assert(rows_follow_the_enumerators());

}  // namespace

std::string_view error_name(Error error) noexcept {
  const auto index = static_cast<std::size_t>(error);
  return index < kRows.size() ? kRows[index].name : kRows[0].name;
}

Error error_from_errno(int host_errno) noexcept {
  for (const Row& row : kRows) {
    if (row.host_errno == host_errno) return row.error;
  }
  return Error::kInval;
}

}  // namespace vxs::protocol
