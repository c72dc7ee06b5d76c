// What supervisor and daemon say to each other: the protocol, version 1.
//
// The two share a SOCK_SEQPACKET pair; the daemon finds its end in the environment variable
// VXENSTORED_SUPERVISOR_FD. One message is one packet: a Head in the byte order of the machine, the
// name, and with some a descriptor (SCM_RIGHTS). A later version may put bytes behind the name and
// may add types; a receiver skips both.
//
//   supervisor                                    daemon
//   HELLO  version, pid, interval of ALIVE  -->
//   KEPT   name, descriptor   (each one)    -->
//   START  how often, how the last one died -->
//                                           <--   KEEP     name, descriptor
//                                           <--   READY
//   ACCEPTED client-<n>, descriptor         -->
//                                           <--   RELEASE  name
//                                           <--   ALIVE    (within the interval, from READY on)
//                                           <--   STOPPING (how it ends is final from now on)
//
// Hot swap: the supervisor becomes another program (hand_over.hh).
//
//   daemon                                        supervisor
//   HOLD                                    -->   accepts nobody from here on
//                                           <--   NUMBER name, its descriptor here   (each one)
//                                           <--   HELD
//   HAND_OVER  descriptor of the order      -->
//   (ends, whatever its status)                   becomes the program; if it cannot, or the daemon
//                                                 ends before, starts a daemon as after a kill
//
// Live update: a daemon hands over to another program, and is started again itself if that fails.
//
//   daemon                                        supervisor
//   ARGUMENT word (each one)                -->
//   EXEC     descriptor, kAhead             -->   starts the new one beside it
//   new one                                 <--   HELLO with kAheadOfTime, and nothing else yet
//   PREPARED (as far as it gets by reading) -->
//   the old one, which serves on            <--   NEXT_READY, or NEXT_ENDED
//   KEEP     update, what the new one needs -->
//   ARGUMENT word (each one)                -->
//   EXEC     descriptor, patience           -->   holds both programs from now on
//   (ends, whatever its status)                   it is the new one's turn; if it says anything
//                                                 more instead of ending, that is off
//   new one                                 <--   as above, START with kUpdateTrial
//   TAKEN_OVER                              -->   lets go of the old one
//
// What is started ahead of time saves the pause; without it (a supervisor whose HELLO has no
// kStartsAhead) the new one is started when its turn comes. If the old one ends before the second
// EXEC, or says DROP_NEXT, what was started is ended.
//
// If the new one ends before TAKEN_OVER, or does not say it in time (SIGKILL then), the old one is
// started: START with kUpdateFailed. Until TAKEN_OVER the new one changes nothing that the old one
// needs, and what it sent is carried out before its end is looked at: so it is the supervisor's
// receipt that decides which of the two goes on.
//
// A supervisor that a daemon started because the one before it died (VXENSTORED_SUPERVISOR_ADOPT
// names its end then) says HELLO only; the daemon answers with KEEP for all it has, with ARGUMENTs
// and EXEC with kInUse for the program that it is, and READY.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "daemon/process/descriptor.hh"

namespace vxs::supervisor {

inline constexpr std::uint16_t kProtocolVersion = 1;
inline constexpr const char* kChannelVariable = "VXENSTORED_SUPERVISOR_FD";
inline constexpr const char* kAdoptVariable = "VXENSTORED_SUPERVISOR_ADOPT";

/// Bytes of a descriptor's name. systemd takes 255.
inline constexpr std::size_t kNameMax = 128;
/// The supervisor accepts on every descriptor that listens and whose name begins so.
inline constexpr std::string_view kListenPrefix = "listen";
/// Names the supervisor gives to what it accepted: the prefix and a number that no other
/// connection since the boot has had.
inline constexpr std::string_view kClientPrefix = "client-";

enum class MessageType : std::uint16_t {
  // To the daemon.
  kHello = 1,     ///< value: the supervisor's pid; more: microseconds within which an ALIVE is due
                  ///< (0: none is); flags: kManaged
  kKept = 2,      ///< name, descriptor
  kStart = 3,     ///< value: starts by this supervisor, this one included; more: the wait status of
                  ///< the daemon before (0: there was none)
  kAccepted = 4,  ///< name, descriptor
  kNumber = 5,    ///< name; value: the number of the kept descriptor here
  kHeld = 6,      ///< all NUMBERs were sent, and all ACCEPTEDs
  kNextReady = 7,  ///< the program that was started ahead waits for its turn
  kNextEnded = 8,  ///< it ended; more: its wait status
  // To the supervisor.
  kReady = 16,     ///< requests are answered
  kAlive = 17,     ///< the main loop runs
  kKeep = 18,      ///< name, descriptor; a kept one of the same name is replaced
  kRelease = 19,   ///< name; one that is not kept is nothing
  kStopping = 20,  ///< an orderly end: do not start another, whatever the end looks like
  // To the supervisor: live update.
  kExec = 32,       ///< name, descriptor of a program file; the ARGUMENTs before it are its command
                    ///< line. value: microseconds until it has to have taken over; flags: kInUse
  kTakenOver = 33,  ///< no falling back from here on
  kArgument = 34,   ///< name: one word, any bytes but NUL, at most kArgumentMax of them
  kPrepared = 35,   ///< of a program that was started ahead: it waits for its turn
  kDropNext = 36,   ///< what was started ahead is not wanted any more
  // To the supervisor: hot swap.
  kHold = 40,      ///< value 0: accept again
  kHandOver = 41,  ///< name, descriptor
};

/// Bytes of an ARGUMENT's word. Words per EXEC: kArgumentsMax.
inline constexpr std::size_t kArgumentMax = 4064;
inline constexpr std::size_t kArgumentsMax = 256;

/// START: this is the new program of a live update.
inline constexpr std::uint16_t kUpdateTrial = 1;
/// START: the live update that this program began has failed; `more` is how the new one ended.
inline constexpr std::uint16_t kUpdateFailed = 2;
/// START, with kUpdateFailed: because it had not taken over in time.
inline constexpr std::uint16_t kUpdateTimedOut = 4;
/// EXEC: the program that runs already; use it for the next starts.
inline constexpr std::uint16_t kInUse = 1;
/// EXEC: start it now, beside this daemon, which goes on.
inline constexpr std::uint16_t kAhead = 2;
/// The name EXEC's descriptor has on its way; it is not kept under it.
inline constexpr std::string_view kProgramName = "program";
/// The name HAND_OVER's descriptor has on its way.
inline constexpr std::string_view kOrderName = "hand-over";

/// HELLO: a service manager starts another supervisor, and a new daemon, if this one dies.
inline constexpr std::uint16_t kManaged = 1;
/// HELLO: EXEC may have kAhead.
inline constexpr std::uint16_t kStartsAhead = 2;
/// HELLO: the receiver was started ahead; what is kept, and START, come when it is its turn.
inline constexpr std::uint16_t kAheadOfTime = 4;

struct Message {
  MessageType type{};
  std::uint16_t flags = 0;
  std::uint64_t value = 0;
  std::uint64_t more = 0;
  std::string name{};
  process::Descriptor fd{};  ///< received ones only; close-on-exec
};

/// 1 to kNameMax letters, digits, '.', '_' and '-' (systemd forbids ':' and control characters).
[[nodiscard]] bool is_valid_name(std::string_view name) noexcept;

/// "client-<n>". The wire area knows a connection's descriptor by its n.
[[nodiscard]] std::string client_name(std::uint64_t n);
/// The n of such a name; nothing if it is of another kind.
[[nodiscard]] std::optional<std::uint64_t> client_number(std::string_view name) noexcept;

/// True for the types that come with a descriptor.
[[nodiscard]] bool carries_descriptor(MessageType type) noexcept;

/// "exit status 1", "signal 9": what a wait status says.
[[nodiscard]] std::string describe_status(int wait_status);

}  // namespace vxs::supervisor
