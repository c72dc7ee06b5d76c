# The Debian 12 packages the project needs; sourced by quickstart and check.
# shellcheck shell=bash disable=SC2034

# To build it, and to play the quickstart.
build_packages=(
  g++ cmake ninja-build ccache pkg-config git
  libgit2-dev libprotobuf-dev protobuf-compiler libevent-dev libcli11-dev libtomlplusplus-dev
  libspdlog-dev libfmt-dev libexpected-dev nlohmann-json3-dev libssl-dev zlib1g-dev libxen-dev
  libgtest-dev libgmock-dev libbenchmark-dev librapidcheck-dev
  xenstore-utils python3 python3-pyxs)

# Besides, for all tests: fuzzers, the stock daemons to compare with, manual pages.
check_packages=(
  clang-16 clang-tidy-16 clang-format-16 libclang-rt-16-dev llvm-16 xen-utils-4.17 mandoc)

# Besides, for tests/xen: the emulator, and what goes into the emulated system.
xen_packages=(qemu-system-x86 lz4 binutils gcc libxen-dev bash util-linux mount)

# install_missing PACKAGE…: asks apt for what dpkg does not have; needs root or sudo only then.
install_missing() {
  local package missing=() as_root=()
  for package in "$@"; do
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true)" = installed ] ||
      missing+=("$package")
  done
  [ ${#missing[@]} -gt 0 ] || return 0
  echo "installing: ${missing[*]}"
  [ "$(id -u)" -eq 0 ] || as_root=(sudo)
  "${as_root[@]}" apt-get update -q
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
    apt-get install -q -y --no-install-recommends "${missing[@]}"
}
