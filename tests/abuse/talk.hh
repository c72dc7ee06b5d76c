// Requests in one line each, over whatever a client speaks: a ring or a socket.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>

#include "tests/support/frame_client.hh"

namespace vxs::abuse {

/// The answer to a request that succeeds and has nothing to say (B0.5).
inline const std::string kOk("OK\0", 3);

/// The payload of the reply, or "!ENOENT" for an error. Throws WireError where nothing answers.
std::string ask(support::FrameClient& client, std::uint32_t type, std::string_view payload,
                std::uint32_t tx = 0);
/// The same with strings that each get a NUL.
std::string ask(support::FrameClient& client, std::uint32_t type,
                std::initializer_list<std::string_view> strings, std::uint32_t tx = 0);

std::string read(support::FrameClient& client, std::string_view path, std::uint32_t tx = 0);
std::string write(support::FrameClient& client, std::string_view path, std::string_view value,
                  std::uint32_t tx = 0);
std::string mkdir(support::FrameClient& client, std::string_view path, std::uint32_t tx = 0);
std::string rm(support::FrameClient& client, std::string_view path, std::uint32_t tx = 0);
/// `entries` as "n0 r5".
std::string set_perms(support::FrameClient& client, std::string_view path, std::string_view entries,
                      std::uint32_t tx = 0);
std::string watch(support::FrameClient& client, std::string_view path, std::string_view token);
/// A new transaction; 0 if there is none.
std::uint32_t start(support::FrameClient& client);
std::string commit(support::FrameClient& client, std::uint32_t tx);
/// CONTROL with a command and its arguments.
std::string control(support::FrameClient& client, std::initializer_list<std::string_view> words);
/// The number behind `key` in CONTROL vxs-status; -1 if there is none.
long status(support::FrameClient& client, const std::string& key);

}  // namespace vxs::abuse
