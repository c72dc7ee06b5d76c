"""Unpacks hypervisor and kernels to plain ELF files, for decompression is slow under emulation."""

import gzip
import lzma
import struct
import subprocess
import zlib

from .errors import SetupError

# Offsets in a bzImage, from the kernel's documented boot protocol (Documentation/arch/x86/boot.rst).
SETUP_SECTORS = 0x1F1
PAYLOAD = 0x248  # two 32-bit words: offset from the end of the set-up code, and length


def unlz4(data):
    # The kernel appends the unpacked size, which is no part of the stream.
    done = subprocess.run(["lz4", "-d", "-c"], input=data[:-4], capture_output=True, check=False)
    return done.stdout


DECOMPRESSORS = {
    b"\xfd7zX": lambda data: lzma.LZMADecompressor().decompress(data),
    b"\x1f\x8b": lambda data: zlib.decompressobj(31).decompress(data),
    b"\x02!L\x18": unlz4,
}


def unpack_kernel(image):
    """The ELF file inside a bzImage."""
    offset, length = struct.unpack_from("<II", image, PAYLOAD)
    begin = (image[SETUP_SECTORS] + 1) * 512 + offset
    payload = image[begin : begin + length]
    for magic, decompress in DECOMPRESSORS.items():
        if payload.startswith(magic):
            elf = decompress(payload)
            if elf.startswith(b"\x7fELF"):
                return elf
    raise SetupError(f"a kernel is compressed in an unknown way ({payload[:6]!r})")


def boot_files(tree, cache):
    """Paths of the plain files: {"xen", "dom0", "guest"}; made once per cache."""
    sources = {
        "xen": (tree.file("/boot/xen-4.17-amd64.gz"), gzip.decompress),
        "dom0": (tree.file(f"/boot/vmlinuz-{tree.kernel_version('dom0')}"), unpack_kernel),
        "guest": (tree.file(f"/boot/vmlinuz-{tree.kernel_version('guest')}"), unpack_kernel),
    }
    files = {}
    for name, (source, unpack) in sources.items():
        files[name] = cache / f"{name}.elf"
        if not files[name].exists():
            partial = cache / f"{name}.partial"
            partial.write_bytes(unpack(source.read_bytes()))
            partial.rename(files[name])
    return files
