"""Processes beside the desk's: for what takes a processor for long, which nobody who waits for a page is to share."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any


def start(module: str, *arguments: str, **options: Any) -> subprocess.Popen[bytes]:
    """Runs a module of the desk with the settings of this process; `options` are those of `Popen`."""
    # Wherever the desk was started from; not by another folder, to which what settings name may be relative.
    paths = [str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))}
    return subprocess.Popen([sys.executable, "-m", module, *arguments], env=environment, **options)  # noqa: S603 - our own
