#include "protocol/error.hh"

#include <gtest/gtest.h>

#include <cerrno>
#include <cstring>
#include <set>
#include <string>

namespace vxs::protocol {
namespace {

constexpr Error kAll[] = {Error::kInval,    Error::kAcces,  Error::kExist, Error::kIsdir,
                          Error::kNoent,    Error::kNomem,  Error::kNospc, Error::kIo,
                          Error::kNotempty, Error::kNosys,  Error::kRofs,  Error::kBusy,
                          Error::kAgain,    Error::kIsconn, Error::k2big,  Error::kPerm};

TEST(Error, B0_4_NamesAreThoseOfXsWireAndNoOther) {
  const std::set<std::string_view> expected{
      "EINVAL", "EACCES",    "EEXIST", "EISDIR", "ENOENT", "ENOMEM", "ENOSPC",  "EIO",
      "EAGAIN", "ENOTEMPTY", "ENOSYS", "EROFS",  "EBUSY",  "E2BIG",  "EISCONN", "EPERM"};
  std::set<std::string_view> names;
  for (const Error error : kAll) names.insert(error_name(error));
  EXPECT_EQ(names, expected);
}

TEST(Error, B0_4_ErrnoOfTheSameNameIsKept) {
  const std::pair<int, Error> rows[] = {
      {EINVAL, Error::kInval},       {EACCES, Error::kAcces}, {EEXIST, Error::kExist},
      {EISDIR, Error::kIsdir},       {ENOENT, Error::kNoent}, {ENOMEM, Error::kNomem},
      {ENOSPC, Error::kNospc},       {EIO, Error::kIo},       {EAGAIN, Error::kAgain},
      {ENOTEMPTY, Error::kNotempty}, {ENOSYS, Error::kNosys}, {EROFS, Error::kRofs},
      {EBUSY, Error::kBusy},         {E2BIG, Error::k2big},   {EISCONN, Error::kIsconn},
      {EPERM, Error::kPerm}};
  for (const auto& [host, error] : rows) {
    EXPECT_EQ(error_from_errno(host), error) << std::strerror(host);
    EXPECT_EQ(error_name(error), strerrorname_np(host));
  }
}

TEST(Error, B0_4_OtherErrnosBecomeEinval) {
  for (const int host : {EBADF, ESRCH, EDQUOT, ENOTSUP, 0, -1, 100000}) {
    EXPECT_EQ(error_from_errno(host), Error::kInval) << host;
  }
}

}  // namespace
}  // namespace vxs::protocol
