"""Python files of the user's that add scenarios and networks."""

import runpy
from collections.abc import Sequence
from pathlib import Path


def execute_plugins(paths: Sequence[str]) -> None:
    """Execute files, which call `register_scenario`.

    **Raises:** `ValueError` for a file that is not there.
    """
    for path in paths:
        try:
            runpy.run_path(path)
        except (OSError, ImportError) as error:
            if Path(path).is_file():
                raise
            raise ValueError(
                f"`--plugin` must be a Python file, got {path!r}, which is none. Check the path."
            ) from error
