"""Fetches the Debian packages of Xen, the kernels and the tools, and keeps them unpacked in a cache.

apt chooses the versions and checks signatures and sums. Nothing is installed, and no package's
scripts run. The cache is filled once; a run with a filled cache needs no network.
"""

import contextlib
import fcntl
import os
import re
import shutil
import subprocess
from pathlib import Path

from .errors import SetupError

# dom0 has real disks and loop devices; the cloud kernel, smaller, does for guests.
KERNELS = {"dom0": "linux-image-amd64", "guest": "linux-image-cloud-amd64"}
PACKAGES = [
    "busybox-static",
    "libxencall1",
    "libxendevicemodel1",
    "libxenevtchn1",
    "libxenforeignmemory1",
    "libxengnttab1",
    "libxenhypfs1",
    "libxenmisc4.17",
    "libxenstore4",
    "libxentoolcore1",
    "libxentoollog1",
    "libyajl2",
    "xen-hypervisor-4.17-amd64",
    "xen-utils-4.17",
    "xen-utils-common",
    "xenstore-utils",
]


def default_cache():
    """Outside any checkout, where XDG says that caches lie."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "vxenstored-xen"


def apt(*command):
    environment = {**os.environ, "LC_ALL": "C", "DEBIAN_FRONTEND": "noninteractive"}
    try:
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    except FileNotFoundError as error:
        raise SetupError(f"{command[0]} is missing: this test needs Debian 12") from error
    if done.returncode != 0:
        complaint = "\n  ".join(done.stderr.strip().splitlines()[-5:])
        raise SetupError(f"{' '.join(command[:3])} … failed:\n  {complaint}")
    return done.stdout


def install_host_tools(root):
    """What runs on the host itself; a table of the packages is in tools/packages.sh."""
    script = '. tools/packages.sh && install_missing "${xen_packages[@]}"'
    done = subprocess.run(["bash", "-c", script], cwd=root, check=False)
    if done.returncode != 0:
        raise SetupError(
            "QEMU and its helpers could not be installed (xen_packages in tools/packages.sh): "
            "the first run needs root and a network"
        )


class PackageTree:
    """The packages unpacked below one directory, as if it were the root of a Debian system."""

    def __init__(self, root):
        self.root = root

    def file(self, path):
        found = self.root / path.lstrip("/")
        if not found.exists():
            raise SetupError(f"{path} is in none of the unpacked packages ({self.root})")
        return found

    def kernel_version(self, role):
        cloud = role == "guest"
        for image in sorted((self.root / "boot").glob("vmlinuz-*")):
            version = image.name.removeprefix("vmlinuz-")
            if ("-cloud-" in version) == cloud:
                return version
        raise SetupError(f"no kernel for {role} among the unpacked packages")

    def module(self, role, name):
        directory = self.root / "lib/modules" / self.kernel_version(role)
        for found in directory.rglob(f"{name}.ko"):
            return found
        raise SetupError(f"the kernel of {role} has no module {name}")


@contextlib.contextmanager
def locked(cache):
    """One run at a time fills the cache; the others wait and find it filled."""
    cache.mkdir(parents=True, exist_ok=True)
    with open(cache / "lock", "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def kernel_package(meta):
    """The package that the meta package stands for today, such as linux-image-6.1.0-13-amd64."""
    found = re.search(r"Depends: (linux-image-\d\S*)", apt("apt-cache", "depends", meta))
    if not found:
        raise SetupError(f"apt does not know {meta}; has apt-get update ever run?")
    return found.group(1)


def fetch(cache, say):
    downloads, unpacked = cache / "downloads", cache / "unpacking"
    for directory in (downloads, unpacked):
        shutil.rmtree(directory, ignore_errors=True)
        directory.mkdir()
    say("downloading Xen and two kernels, about 150 MB, once")
    if os.geteuid() == 0:
        apt("apt-get", "update", "-q")
    names = PACKAGES + [kernel_package(meta) for meta in KERNELS.values()]
    with contextlib.chdir(downloads):
        apt("apt-get", "download", "-q", *names)
    for package in sorted(downloads.glob("*.deb")):
        apt("dpkg-deb", "--extract", str(package), str(unpacked))
    shutil.rmtree(downloads)
    return unpacked


def prepare(cache, refresh, say):
    """The package tree in `cache`, fetched first where it is missing or `refresh` says so."""
    with locked(cache):
        root, stamp = cache / "packages", cache / "complete"
        wanted = "\n".join(PACKAGES + list(KERNELS.values()))
        if refresh or not stamp.exists() or stamp.read_text("ascii") != wanted:
            stamp.unlink(missing_ok=True)
            try:
                unpacked = fetch(cache, say)
            except SetupError as error:
                raise SetupError(
                    f"{error}\nThe packages are not in the cache ({cache}), and without a network "
                    "they cannot be fetched."
                ) from error
            shutil.rmtree(root, ignore_errors=True)
            unpacked.rename(root)
            for old in cache.glob("*.elf"):
                old.unlink()
            stamp.write_text(wanted, "ascii")
        return PackageTree(root)
