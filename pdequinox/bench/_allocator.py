"""What becomes of freed memory: the C library's default, and an allocator that keeps it."""

import contextlib
import ctypes
import platform
from collections.abc import Iterator

# The names of glibc's malloc.h.
_TRIM_THRESHOLD, _TOP_PAD, _MMAP_THRESHOLD, _MMAP_MAX = -1, -2, -3, -4
_MB = 2**20


@contextlib.contextmanager
def pages_kept() -> Iterator[bool]:
    """Let glibc keep all pages that were ever used; whether there is a glibc to tell.

    By default it asks the system for every buffer of more than 32 MB and gives it back when it is freed, so each call
    of a function with such buffers begins with page faults. That may take longer than the mathematics. As the
    environment variables `MALLOC_MMAP_MAX_=0 MALLOC_TRIM_THRESHOLD_=2147483647 MALLOC_TOP_PAD_=67108864` of a new
    process.

    Afterwards the thresholds are those that the default rises to when large buffers are freed, and free pages have
    gone back.
    """
    if platform.libc_ver()[0] != "glibc":
        yield False
        return
    library = ctypes.CDLL(None)

    def apply(options: dict[int, int]) -> bool:
        return all([library.mallopt(name, value) == 1 for name, value in options.items()])

    try:
        yield apply({_MMAP_MAX: 0, _TRIM_THRESHOLD: 2**31 - 1, _TOP_PAD: 64 * _MB})
    finally:
        apply({_MMAP_MAX: 2**16, _MMAP_THRESHOLD: 32 * _MB, _TRIM_THRESHOLD: 64 * _MB, _TOP_PAD: 2**17})
        library.malloc_trim(0)
