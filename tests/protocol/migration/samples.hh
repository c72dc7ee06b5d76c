// Streams that are kept as files, and what they say.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "protocol/migration/records.hh"
#include "protocol/migration/stream_reader.hh"
#include "protocol/migration/stream_writer.hh"

namespace vxs::protocol::migration::test {

/// Records and what their lists and strings are in. Stays where it is.
struct Sample {
  Version version = Version::k1;
  std::vector<Record> records;
};

[[nodiscard]] const Sample& sample_version_1();
[[nodiscard]] const Sample& sample_version_2();

/// golden/<name>: the bytes, of a .hex file those its digits name.
[[nodiscard]] std::string golden_bytes(const std::string& name);

[[nodiscard]] std::string encode(const Sample& sample, ByteOrder order = kNativeOrder);

/// Shows each record of a stream up to its end or first error.
tl::expected<void, StreamError> each_record(std::string_view stream,
                                            const std::function<void(const Record&)>& show);

/// One line a record, for people.
[[nodiscard]] std::string describe_stream(std::string_view stream);

}  // namespace vxs::protocol::migration::test
