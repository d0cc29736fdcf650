"""Processes beside the desk's: for what takes a processor for long, which nobody who waits for a page is to share."""

import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

GENTLY = 10
"""By how much such a process is nicer than the desk: whoever waits for a page comes first."""


def start(module: str, *arguments: str, is_urgent: bool = False, **options: Any) -> subprocess.Popen[bytes]:
    """Runs a module of the desk with the settings of this process, gently; `options` are those of `Popen`."""
    # Wherever the desk was started from; not by another folder, to which what settings name may be relative.
    paths = [str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))}
    process = subprocess.Popen([sys.executable, "-m", module, *arguments], env=environment, **options)  # noqa: S603 - our own
    if not is_urgent:  # from its first moment on: to begin alone takes a second of a processor
        with suppress(OSError):  # it has ended already
            os.setpriority(os.PRIO_PROCESS, process.pid, min(os.getpriority(os.PRIO_PROCESS, 0) + GENTLY, 19))
    return process
