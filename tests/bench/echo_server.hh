#pragma once
// The floor of one request per round trip: an epoll server that answers each
// message by its type alone, with replies of the sizes a store would send.

#include <string>

namespace vxs::bench {

// Serves `socket_path` for ever in this process; returns an exit code only when
// it cannot. TRANSACTION_START gives 1, READ eight bytes, anything else OK.
int run_echo_server(const std::string& socket_path);

}  // namespace vxs::bench
