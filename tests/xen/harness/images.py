"""What is inside the two initramfs images: dom0's, and the guests', which lies in dom0's."""

import subprocess
import tempfile
from pathlib import Path

from . import daemons
from .archive import Archive
from .errors import SetupError

HERE = Path(__file__).resolve().parent.parent
TOOLS = [f"/usr/bin/xenstore-{verb}" for verb in "chmod exists list ls read rm watch write".split()]
DOM0_PROGRAMS = ["libxl-save-helper", "lsevtchn", "oxenstored", "xen-init-dom0", "xenconsoled"]
DOM0_PROGRAMS += ["xenstore-control", "xenstored", "xl"]
# In the order in which they are loaded.
DOM0_MODULES = ["xen-privcmd", "xenfs", "xen-evtchn", "xen-gntdev", "xen-gntalloc", "xen-blkback"]
DOM0_MODULES += ["loop"]
# The hot-plug script for disks wants these real: busybox's differ in options and in locking.
DOM0_FROM_HOST = ["/usr/bin/bash", "/usr/bin/flock", "/usr/sbin/losetup"]
GUEST_MODULES = ["xen-blkfront"]


def base(tree):
    """A system that busybox can bring up, for either image."""
    archive = Archive(tree)
    for path in "dev etc mnt proc root run sys tmp usr/bin usr/sbin var/lib var/log".split():
        archive.directory(f"/{path}")
    for name in ("bin", "sbin", "lib", "lib64"):
        archive.directory(f"/usr/{name}")
        archive.link(f"/{name}", f"usr/{name}")
    archive.link("/var/run", "/run")
    archive.link("/var/lock", "/run/lock")
    archive.link("/etc/mtab", "/proc/self/mounts")
    archive.add(tree.file("/bin/busybox"), "/usr/bin/busybox", 0o755)
    for tool in TOOLS:
        archive.add(tree.file(tool), tool, 0o755)
    return archive


def finish(archive, tree):
    """A link for each of busybox's commands that has no program of its own."""
    busybox = tree.file("/bin/busybox")
    listed = subprocess.run([busybox, "--list"], capture_output=True, text=True, check=True)
    for command in listed.stdout.split():
        if not any(f"/usr/{place}/{command}" in archive.entries for place in ("bin", "sbin")):
            archive.link(f"/usr/bin/{command}", "busybox")
    return archive


def add_modules(archive, tree, role, names):
    for number, name in enumerate(names):
        archive.add(tree.module(role, name), f"/vxs/modules/{number}-{name}.ko", 0o644)


def compile_probe(directory):
    """The guests' test program."""
    program = Path(directory) / "probe"
    command = ["cc", "-O1", "-Wall", "-Wextra", "-o", str(program)]
    command += [str(HERE / "guest/probe.c"), "-lxenstore"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise SetupError(f"guest/probe.c does not compile (libxen-dev?):\n{done.stderr}")
    return program


def guest(tree):
    archive = base(tree)
    with tempfile.TemporaryDirectory(prefix="vxs-xen-") as scratch:
        archive.add(compile_probe(scratch), "/vxs/probe", 0o755)
    archive.library("libgcc_s.so.1")  # opened by name when libxenstore ends its thread
    archive.add(HERE / "guest/answer", "/vxs/answer", 0o755)
    archive.add(HERE / "guest/init", "/init", 0o755)
    # What the guest's kernel runs when it is told to shut down.
    archive.text("/usr/sbin/poweroff", "#!/bin/sh\nexec busybox poweroff -f\n", 0o755)
    add_modules(archive, tree, "guest", GUEST_MODULES)
    return finish(archive, tree)


def dom0(tree, boot, guest_image, daemon, scenarios):
    archive = base(tree)
    for program in DOM0_PROGRAMS:
        path = f"{daemons.XEN_BIN}/{program}"
        archive.add(tree.file(path), path, 0o755)
        archive.link(f"/usr/sbin/{program}", path)
    for path in DOM0_FROM_HOST:
        archive.add(path, path, 0o755)
    archive.library("libgcc_s.so.1")  # opened by name when xl cancels a thread
    add_modules(archive, tree, "dom0", DOM0_MODULES)
    archive.add_tree(tree.file("/etc/xen"), "/etc/xen")
    archive.text("/etc/xen/xl.conf", 'autoballoon="off"\n')
    for path in "lib/xen log/xen/console lib/vxenstored".split():
        archive.directory(f"/var/{path}")
    daemons.install(daemon, archive)

    archive.add(boot["guest"], "/vxs/guest/kernel", 0o644)
    archive.add(guest_image, "/vxs/guest/initramfs", 0o644)
    archive.add(HERE / "dom0/init", "/init", 0o755)
    for script in ("system.sh", "toolstack.sh", "report.sh"):
        archive.add(HERE / "dom0" / script, f"/vxs/{script}", 0o644)
    for scenario in scenarios:
        archive.add(scenario.script, f"/vxs/scenarios/{scenario.name}.sh", 0o644)
    settings = {
        "daemon_name": daemon.name,
        "daemon_command": daemon.command,
        "daemon_pid_file": daemons.PID_FILE,
        "scenarios": " ".join(scenario.name for scenario in scenarios),
    }
    lines = "".join(f"{name}='{value}'\n" for name, value in settings.items())
    archive.text("/vxs/settings.sh", lines)
    return finish(archive, tree)
