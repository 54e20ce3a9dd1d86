"""The process that `pdequinox bench` starts on every core: `python -m pdequinox.bench._worker STUDY`."""

import os
import signal
import sys
from pathlib import Path
from typing import Any

from ._plugins import execute_plugins
from ._run import Run
from ._store import Store, read_json
from ._work import use_compilation_cache, work


def main(study: Path) -> None:
    """Work through the study that is written down in a file of its folder."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    parent, content = os.getppid(), read_json(study)
    use_compilation_cache()
    execute_plugins(content["plugins"])

    def stop_with_parent(*_: Any) -> None:
        if os.getppid() != parent:
            sys.exit("The command that started this process has ended.")

    work([Run.from_written(written) for written in content["runs"]], Store(study.parent), stop_with_parent)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
