"""Compares a listing of the whole store with the one that the stock C daemon gave.

Lines of `xenstore-ls -fp` name the guest's domid and uuid, ring references, event channels, and
times, which differ from run to run; they are replaced by words. What then still differs is either
a line of the list of intended differences, which gives the reason, or a failure.
"""

import re
from pathlib import Path

LINE = re.compile(r'^(/\S*) = "(.*)"\s+\(([^)]*)\)$')
# A number is a domid where one of these stands before it.
BEFORE_DOMID = "domain|libxl|vbd|console|device-model"
# Values that no two runs have in common, by the last part of the path.
VOLATILE = re.compile(
    r"^(ring-ref|event-channel|port|tty|pid|start_time|physical-device"
    r"|physical-device-path|node)$"
)
# Values that are the guest's domid.
DOMID = re.compile(r"/(domid|frontend-id)$")
DIFFERENCE = re.compile(r"^([a-z]+): ([-+]) (\S+) \| (.+)$")


def normalise(lines, domid, vm_path):
    """Lines without what differs between runs, sorted (siblings come in the order of creation)."""
    uuid = vm_path.rsplit("/", 1)[-1]
    result = []
    for line in lines:
        match = LINE.match(line.rstrip())
        if not match:
            continue
        path, value, permissions = match.groups()
        path = named(path, domid, uuid)
        value = named(value, domid, uuid)
        if VOLATILE.match(path.rsplit("/", 1)[-1]):
            value = "<volatile>"
        elif DOMID.search(path) and value == domid:
            value = "<domid>"
        permissions = re.sub(rf"\b([nrwb]){domid}\b", r"\1<domid>", permissions)
        result.append(f"{path} = {value} ({permissions})")
    return sorted(result)


def named(text, domid, uuid):
    text = text.replace(uuid, "<uuid>")
    return re.sub(rf"\b({BEFORE_DOMID})/{domid}(?=/|$)", r"\1/<domid>", text)


def intended(file, daemon):
    """Intended differences of that daemon: {(sign, path)}; each line must give its reason."""
    differences = set()
    for line in Path(file).read_text("utf-8").splitlines():
        if not line or line.startswith("#"):
            continue
        match = DIFFERENCE.match(line)
        if not match:
            raise ValueError(f"{file}: not 'DAEMON: +|- PATH | REASON': {line}")
        name, sign, path, _ = match.groups()
        if name == daemon:
            differences.add((sign, path))
    return differences


def compare(golden, found, allowed):
    """Complaints: lines only in one of the two that no intended difference covers."""
    complaints = []
    for sign, only in (("-", set(golden) - set(found)), ("+", set(found) - set(golden))):
        for line in sorted(only):
            if (sign, line.split(" = ", 1)[0]) not in allowed:
                complaints.append(f"{sign} {line}")
    return complaints
