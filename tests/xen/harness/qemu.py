"""Runs QEMU in software emulation with a time limit, and keeps every line of the serial console."""

import os
import re
import selectors
import subprocess
import time
from dataclasses import dataclass

from . import markers

# SMAP kills dom0 at its first return to user space, and with XSAVE user space is corrupted at
# random: both are faults of QEMU 7.2's emulation, not of what is tested here.
PROCESSOR = "max,-smap"
MEMORY_MB = 4096
DOM0_MEMORY_MB = 1024
XEN_ARGUMENTS = [
    "console=com1",
    "com1=115200,8n1",
    f"dom0_mem={DOM0_MEMORY_MB}M,max:{DOM0_MEMORY_MB}M",
    "dom0_max_vcpus=1",
    "loglvl=warning",
    "guest_loglvl=warning",
    "noreboot",
    "serial_tx_buffer=1M",
    "spec-ctrl=no",
    "xsave=0",
]
KERNEL_ARGUMENTS = ["console=hvc0", "quiet", "loglevel=4", "mitigations=off", "nokaslr"]
# After one of these nothing more comes.
DEAD = re.compile(r"Kernel panic|\(XEN\) Panic on CPU|Domain 0 (crashed|shutdown)|Attempted to kill")


@dataclass
class Outcome:
    """Why it ended (None: by itself), after how long, and what the console said."""

    trouble: str | None
    seconds: float
    lines: list


def command(boot, image):
    kernel = " ".join([str(boot["dom0"]), "rdinit=/init", *KERNEL_ARGUMENTS])
    return [
        "qemu-system-x86_64",
        *("-accel", "tcg", "-machine", "pc", "-cpu", PROCESSOR, "-smp", "1"),
        *("-m", str(MEMORY_MB), "-display", "none", "-net", "none", "-monitor", "none"),
        *("-no-reboot", "-serial", "stdio"),
        *("-kernel", str(boot["xen"]), "-append", " ".join(XEN_ARGUMENTS)),
        *("-initrd", f"{kernel},{image}"),
    ]


def processor_seconds(pid):
    """What the process has used so far: on a busy machine it tells more than the wall clock."""
    with open(f"/proc/{pid}/stat", encoding="ascii") as stat:
        fields = stat.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def lines_until(process, deadline):
    """Lines as they come; ends with the stream, or at the deadline with None."""
    rest = b""
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        while True:
            left = deadline - time.monotonic()
            if left <= 0 or not selector.select(left):
                yield None
                return
            data = os.read(process.stdout.fileno(), 65536)
            if not data:
                return
            *complete, rest = (rest + data).split(b"\n")
            for line in complete:
                yield line.replace(b"\r", b"").decode("utf-8", "backslashreplace")


def run(boot, image, limit, log, echo):
    """Boots, copies the console to `log`, shows markers by `echo`.

    Each line of the log begins with the seconds since the start and those that QEMU computed.
    """
    begin = time.monotonic()
    process = subprocess.Popen(
        command(boot, image),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    lines, trouble, deadline = [], None, begin + limit
    try:
        for line in lines_until(process, deadline):
            if line is None:
                trouble = trouble or f"not finished after {limit} s"
                break
            used = processor_seconds(process.pid)
            log.write(f"{time.monotonic() - begin:7.2f} {used:7.2f} {line}\n")
            log.flush()
            lines.append(line)
            if markers.is_marker(line):
                echo(line)
            if DEAD.search(line) and not trouble:
                trouble = f"the emulated machine died: {line.strip()}"
                deadline = min(deadline, time.monotonic() + 3)  # a backtrace may follow
    finally:
        process.kill()
        process.wait()
    return Outcome(trouble, time.monotonic() - begin, lines)
