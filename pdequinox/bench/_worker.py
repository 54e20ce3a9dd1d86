"""The process that `pdequinox bench` starts on every core: `python -m pdequinox.bench._worker FOLDER`."""

import signal
import sys
from pathlib import Path

from ._plugins import execute_plugins
from ._store import Store, read_json
from ._work import STUDY, read_runs, use_compilation_cache, work


def main(root: Path) -> None:
    """Work through the study that is written down in a folder."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    use_compilation_cache()
    execute_plugins(read_json(root / STUDY)["plugins"])
    work(read_runs(root), Store(root))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
