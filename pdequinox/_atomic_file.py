"""Files that are the old ones or the new ones at every moment, also when the machine stops."""

import os
from pathlib import Path


def write_atomically(path: Path, data: bytes) -> None:
    """A new file in the same folder takes the place of the old one when all of it is on the disk."""
    # One name, so that a write that was killed leaves no more than one file behind, which the next one replaces.
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    if os.name == "posix":
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
