"""Processes beside the desk's make room for it, unless somebody waits for them."""

import os
import subprocess
from collections.abc import Callable
from functools import partial

import psutil
import pytest

from ticketcore import processes
from ticketcore.learner import start_learning

Start = Callable[[], subprocess.Popen[bytes]]
ANY = "ticketcore.learn"
NICER = min(os.getpriority(os.PRIO_PROCESS, 0) + processes.GENTLY, 19)


@pytest.mark.parametrize(
    ("start", "nice"),
    [
        (start_learning, NICER),
        (partial(processes.start, ANY), NICER),
        (partial(processes.start, ANY, is_urgent=True), os.getpriority(os.PRIO_PROCESS, 0)),
    ],
    ids=["what learns", "any", "an urgent one"],
)
def test_a_process_is_as_nice_as_it_is_meant_to_be_from_its_first_moment_on(
    monkeypatch: pytest.MonkeyPatch, start: Start, nice: int
) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://127.0.0.1:9/nowhere")
    process = start()
    try:
        assert psutil.Process(process.pid).nice() == nice
    finally:
        process.kill()
        process.wait()
