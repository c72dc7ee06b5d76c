"""The three daemons that dom0 can run, and what each brings into dom0's file system."""

import subprocess
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from .errors import SetupError

XEN_BIN = "/usr/lib/xen-4.17/bin"
PID_FILE = "/run/xen/xenstored.pid"
# What a daemon without journal cannot pass: the first asks for survival, the second for history.
ONLY_OURS = ["kill9", "history"]
# What asks for this build beside the daemon that dom0 begins with, and back.
WITH_OURS = ["swap"]


@dataclass
class Daemon:
    """How dom0 starts it: `command` goes into the background by itself and writes PID_FILE."""

    name: str
    command: str
    files: dict = field(default_factory=dict)  # path in dom0 → path on this machine


def stock(name, program, files):
    return Daemon(name, f"{XEN_BIN}/{program} --pid-file {PID_FILE}", files)


def our_files(build, vxenstored, vxs):
    """From a build directory, or from wherever the two options say."""
    files = {
        "/usr/sbin/vxenstored": Path(vxenstored or build / "daemon/vxenstored"),
        "/usr/bin/vxs": Path(vxs or build / "tools/vxs"),
    }
    for path in files.values():
        if not path.is_file():
            raise SetupError(f"{path} is not there: build vxenstored and vxs, or use --vxenstored")
    return files


def ours(files):
    return Daemon("vxs", f"/usr/sbin/vxenstored --pid-file {PID_FILE}", files)


def install(daemon, archive):
    """Adds the daemon's files; without debugging information, which would only cost boot time."""
    with tempfile.TemporaryDirectory(prefix="vxs-xen-") as scratch:
        for path, source in daemon.files.items():
            stripped = Path(scratch) / Path(path).name
            done = subprocess.run(["strip", "-o", stripped, source], check=False)
            if done.returncode != 0:
                raise SetupError(f"strip {source} failed")
            archive.add(stripped, path, 0o755)
