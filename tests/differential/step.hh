// One step of a differential run: what a client does to both daemons.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace vxs::differential {

// Clients 0..3 are sockets. In a run on machines, the others are the guests of domids 1..4.
constexpr unsigned kSockets = 4;
constexpr unsigned kGuests = 4;
constexpr unsigned kClients = kSockets + kGuests;
constexpr int kSlots = 3;  // transactions a client may have open

// Slots name transactions, since the two daemons may number them differently.
constexpr int kNoTransaction = -1;
constexpr int kBogusTransaction = -2;  // an id that neither daemon gave out
constexpr unsigned kBurstLength = 6;
constexpr uint32_t kBogusId = 0x7FFFFFF0;

enum class Kind {
  kRequest,    // send `type` and `payload` in the transaction of `slot`
  kStart,      // TRANSACTION_START into `slot`; `payload` names the region it may touch
  kEnd,        // TRANSACTION_END of `slot` with `payload`
  kListAll,    // list `payload` by DIRECTORY_PART from 0 to the end
  kBurst,      // send `type` and `payload` kBurstLength times without waiting
  kReconnect,  // close the connection, open a new one
  // What a toolstack asks of the hypervisor; `payload` names the domids.
  kCreate,        // `type` tells handles apart
  kShutdown,      // with the reason `type`
  kResumeDomain,  // after a shutdown
  kSoftReset,
  kDestroy,  // all of them at one moment
};

bool of_machine(Kind kind);

struct Step {
  Kind kind = Kind::kRequest;
  unsigned client = 0;
  uint32_t type = 0;
  std::string payload;
  int slot = kNoTransaction;
};

bool is_guest(unsigned client);
// 0 for a socket.
uint32_t domid_of(unsigned client);
unsigned guest_of(uint32_t domid);
// The domids of 1..kGuests among a step's arguments.
std::vector<uint32_t> domids_in(const Step& step);

// The step as a line of a transcript, unprintable bytes escaped.
std::string describe(const Step& step);
// Its message type's name, with a mark for what is more than one request.
std::string name_of(const Step& step);
// Any bytes as a quoted string; long runs of one byte are shortened.
std::string quoted(std::string_view bytes);

// The first argument of a request.
std::string_view first_argument(std::string_view payload);

// The absolute form of a path of domain `domid` as both daemons see it (C1-C4), nothing for one
// that is malformed. Special names (`@word`) are returned as they are.
std::optional<std::string> absolute(std::string_view path, uint32_t domid = 0);
// That of a step's first argument.
std::optional<std::string> path_of(const Step& step);

}  // namespace vxs::differential
