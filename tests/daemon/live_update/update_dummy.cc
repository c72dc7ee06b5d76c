// A program with vxenstored's note that is none: the new program of a live update that goes wrong.
// What it does stands in the file update-mode of the run directory: "exit N", "signal N" or "hang".
#include <signal.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <string>

int main() {
  const char* directory = std::getenv("XENSTORED_RUNDIR");
  std::ifstream file(std::string(directory ? directory : ".") + "/update-mode");
  std::string mode;
  int number = 0;
  file >> mode >> number;
  if (mode == "hang") {
    for (;;) ::pause();
  }
  if (mode == "signal") ::raise(number);
  return number;
}
