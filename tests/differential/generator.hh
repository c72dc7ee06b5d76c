// Random steps, well-formed enough for 4.17 (which some malformed ones kill).
#pragma once

#include <cstdint>
#include <deque>
#include <random>
#include <string>
#include <vector>

#include "tests/differential/discipline.hh"
#include "tests/differential/step.hh"

namespace vxs::differential {

// Who takes part: sockets only, or also guests on a machine, with a toolstack that creates,
// introduces, shuts down and destroys them. kLimited is for daemons with small quotas: 4.17 spoils
// a transaction in which a request failed (E11), so there, and
// where nodes grow large, guests only read in theirs.
enum class Mix { kSockets, kGuests, kLimited };

class Generator {
 public:
  explicit Generator(uint64_t seed, Mix mix = Mix::kSockets) : random_(seed), mix_(mix) {}

  // The steps every run begins with: the regions are made, and with guests opened to them.
  [[nodiscard]] std::vector<Step> opening() const;

  // The next step; `discipline` admits it.
  Step next(const Discipline& discipline);

 private:
  Step draft(const Discipline& discipline);
  Step request(const Discipline& discipline);
  Step machine_step(const Discipline& discipline);
  // What a toolstack does with a domain it has made.
  std::vector<Step> building(uint32_t domid);
  [[nodiscard]] bool spoils(const Step& step) const;
  unsigned client(const Discipline& discipline);
  Step transaction_step(const Discipline& discipline);
  std::string payload_for(uint32_t type, const std::string& path);
  std::string mangled(std::string payload);
  std::string path(const std::string& region, unsigned client);
  std::string odd_path();
  std::string long_path();
  std::string value();
  std::string permissions();
  std::string token(const std::string& path);
  std::string domid();
  std::string introduction();
  std::string control();

  // A number below `bound`; true once in `n`.
  unsigned below(unsigned bound);
  bool once_in(unsigned n) { return below(n) == 0; }
  template <typename List>
  auto pick(const List& list) {
    return *(std::begin(list) + below(static_cast<unsigned>(std::size(list))));
  }

  std::mt19937_64 random_;
  Mix mix_;
  std::deque<Step> plan_;  // steps that follow from an earlier one
  unsigned phase_left_ = 0;
  unsigned max_open_ = 0;             // transactions open at once in this phase
  std::vector<std::string> watched_;  // "path\0token\0" of recent WATCHes
};

}  // namespace vxs::differential
