"""Processes beside the desk's: for what takes a processor for long, which nobody who waits for a page is to share."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

GENTLY = ("nice", "-n", "10")
"""What runs a command so that whoever waits for a page comes first, from its first moment on: to begin takes a second
of a processor."""


def start(module: str, *arguments: str, is_urgent: bool = False, **options: Any) -> subprocess.Popen[bytes]:
    """Runs a module of the desk with the settings of this process, gently; `options` are those of `Popen`."""
    # Wherever the desk was started from; not by another folder, to which what settings name may be relative.
    paths = [str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))}
    command = [*(() if is_urgent or not shutil.which(GENTLY[0]) else GENTLY), sys.executable, "-m", module, *arguments]
    return subprocess.Popen(command, env=environment, **options)  # noqa: S603 - our own
