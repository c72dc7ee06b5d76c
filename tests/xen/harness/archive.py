"""A root file system in memory, and its form that kernels unpack at boot (cpio, "newc")."""

import re
import stat
import subprocess
from pathlib import Path, PurePosixPath

from .errors import SetupError

LIBRARY_DIRECTORIES = ["usr/lib/x86_64-linux-gnu", "lib/x86_64-linux-gnu", "usr/lib", "lib64"]
MERGED = {"bin", "sbin", "lib", "lib64"}
NEEDED = re.compile(r"\(NEEDED\).*\[(.*)\]")
INTERPRETER = re.compile(r"program interpreter: (.*)\]")


def elf_needs(data, path):
    """Names of the libraries an ELF file asks for, and its loader; nothing for other files."""
    if not data.startswith(b"\x7fELF"):
        return [], None
    dump = subprocess.run(
        ["readelf", "--wide", "--dynamic", "--program-headers", str(path)],
        capture_output=True,
        text=True,
        check=False,
    ).stdout
    loader = INTERPRETER.search(dump)
    return NEEDED.findall(dump), loader.group(1) if loader else None


def merged(path):
    """The path with /bin, /lib and so on as what they are links to: the kernel unpacks in order."""
    path = PurePosixPath(path)
    if MERGED.intersection(path.parts[1:2]):
        return PurePosixPath("/usr") / path.relative_to("/")
    return path


class Archive:
    """Files by absolute path. Libraries come from `tree` where it has them, else from the host."""

    def __init__(self, tree):
        self.roots = [tree.root, Path("/")]
        self.entries = {}

    def directory(self, path):
        path = merged(path)
        for part in [*reversed(path.parents), path]:
            if part != PurePosixPath("/"):
                self.entries.setdefault(str(part), (stat.S_IFDIR | 0o755, b""))

    def link(self, path, target):
        self.directory(PurePosixPath(path).parent)
        self.entries[str(path)] = (stat.S_IFLNK | 0o777, target.encode())

    def text(self, path, content, mode=0o644):
        path = merged(path)
        self.directory(path.parent)
        self.entries[str(path)] = (stat.S_IFREG | mode, content.encode())

    def add(self, source, path, mode=None):
        """A file, and if it is a program, the libraries it needs."""
        source = Path(source)
        if not source.is_file():
            raise SetupError(f"{source} is missing")
        data = source.read_bytes()
        path = merged(path)
        self.directory(path.parent)
        permissions = source.stat().st_mode & 0o755 if mode is None else mode
        self.entries[str(path)] = (stat.S_IFREG | permissions, data)
        libraries, loader = elf_needs(data, source)
        if loader and str(merged(loader)) not in self.entries:
            self.add(self._from_roots(loader), loader)
        for name in libraries:
            self.library(name)

    def library(self, name):
        path = f"/usr/lib/x86_64-linux-gnu/{name}"
        if path not in self.entries:
            self.add(self._find_library(name), path)

    def add_tree(self, source, path):
        """A directory with all that is in it; symbolic links stay links."""
        for found in sorted(Path(source).rglob("*")):
            inside = f"{path}/{found.relative_to(source)}"
            if found.is_symlink():
                self.link(inside, str(found.readlink()))
            elif found.is_dir():
                self.directory(inside)
            else:
                self.add(found, inside)

    def _from_roots(self, path):
        for root in self.roots:
            found = root / path.lstrip("/")
            if found.is_file():
                return found
        raise SetupError(f"{path} is neither in the packages nor on this machine")

    def _find_library(self, name):
        for root in self.roots:
            for directory in LIBRARY_DIRECTORIES:
                if (root / directory / name).is_file():
                    return root / directory / name
        raise SetupError(f"library {name} is neither in the packages nor on this machine")

    def write(self, path):
        with open(path, "wb") as out:
            for number, name in enumerate(sorted(self.entries), 1):
                mode, data = self.entries[name]
                self._record(out, number, mode, name.lstrip("/"), data)
            self._record(out, 0, 0, "TRAILER!!!", b"")

    @staticmethod
    def _record(out, inode, mode, name, data):
        """One member: a header of thirteen hexadecimal numbers, name and data padded to words."""
        encoded = name.encode() + b"\0"
        fields = [inode, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(encoded), 0]
        header = b"070701" + b"".join(b"%08X" % field for field in fields) + encoded
        out.write(header + b"\0" * (-len(header) % 4))
        out.write(data + b"\0" * (-len(data) % 4))
