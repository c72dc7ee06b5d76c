// A program with vxenstored's note that is none: the new program of a live update that goes wrong.
// What it does stands in the file update-mode of the run directory: "exit N", "signal N" or "hang",
// at once, or when its turn has come ("turn exit N").
#include <signal.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <string>

#include "daemon/keeper/keeper.hh"

namespace {

// Asks for its turn and gets it.
bool take_turn() {
  vxs::keeper::Inheritance inheritance;
  auto keeper = vxs::keeper::Keeper::adopt(inheritance);
  if (!keeper || !*keeper || !(*keeper)->is_ahead()) return false;
  return (*keeper)->await_turn(inheritance) &&
         inheritance.update == vxs::keeper::UpdateRole::kTrial;
}

}  // namespace

int main() {
  const char* directory = std::getenv("XENSTORED_RUNDIR");
  std::ifstream file(std::string(directory ? directory : ".") + "/update-mode");
  std::string mode;
  int number = 0;
  file >> mode;
  if (mode == "turn") {
    if (!take_turn()) return 99;
    file >> mode;
  }
  file >> number;
  if (mode == "hang") {
    for (;;) ::pause();
  }
  if (mode == "signal") ::raise(number);
  return number;
}
