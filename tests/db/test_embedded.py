"""The embedded server keeps its tickets, is shared by several desks, outlives a crash, and starts wherever it lies."""

import contextlib
import logging
import os
import shutil
import signal
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as Late
from pathlib import Path

import psutil
import psycopg2
import pytest
import sqlalchemy as sa

from ticketcore import embedded
from ticketcore.database import Database
from ticketcore.embedded import EmbeddedServer
from ticketcore.errors import StartUpError

ROOT = Path(__file__).parents[2]
QUICK = {**embedded.OPTIONS, "fsync": "off"}
Starting = Callable[..., EmbeddedServer]


@pytest.fixture
def start() -> Iterator[Starting]:
    """Opens handles on servers, each as a desk of its own would; one that takes for ever fails its test."""
    opened: list[Future[EmbeddedServer]] = []

    def enter(folder: Path, coming: Future[EmbeddedServer]) -> None:
        try:
            coming.set_result(EmbeddedServer(folder, options=QUICK))
        except BaseException as error:  # noqa: BLE001 - raised where the result is asked for
            coming.set_exception(error)

    def start(folder: Path) -> EmbeddedServer:
        coming: Future[EmbeddedServer] = Future()
        opened.append(coming)
        threading.Thread(target=enter, args=(folder, coming), daemon=True).start()
        try:
            return coming.result(15)
        except Late:
            raise AssertionError("the desk waits for ever") from None

    yield start
    for coming in opened:
        if not coming.exception(20):
            coming.result().stop()
            sockets = Path(str(sa.make_url(coming.result().url).query["host"]))
            if sockets.name.startswith("ticket-desk-"):
                shutil.rmtree(sockets, ignore_errors=True)


def run(url: str, statement: str) -> object:
    """The first value that the statement returns, if it returns any."""
    connection = psycopg2.connect(url)
    try:
        with connection, connection.cursor() as cursor:
            cursor.execute(statement)
            return cursor.fetchone()[0] if cursor.description else None
    finally:
        connection.close()


def process(folder: Path) -> int:
    """The process id of the server in the folder."""
    return int((folder / "postgres" / "postmaster.pid").read_text().splitlines()[0])


def is_gone(number: int, patience: float = 10) -> bool:
    """Whether the process ended and was collected by whoever inherited it."""
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:
        try:
            os.kill(number, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.05)
    return False


def test_a_stopped_server_still_has_everything_when_it_starts_again(tmp_path: Path, start: Starting) -> None:
    first = start(tmp_path / "desk")
    run(first.url, "create table kept as select 42 as number")
    server = process(tmp_path / "desk")
    first.stop()
    assert is_gone(server)
    second = start(tmp_path / "desk")
    assert run(second.url, "select number from kept") == 42
    assert process(tmp_path / "desk") != server


def test_after_a_machine_went_down_the_next_start_recovers_and_says_so(
    tmp_path: Path, start: Starting, caplog: pytest.LogCaptureFixture
) -> None:
    first = start(tmp_path / "desk")
    run(first.url, "create table kept as select 42 as number")
    first._leaving.set()  # its desk is gone as well, and revives nothing
    first._reviver.join()
    server = psutil.Process(process(tmp_path / "desk"))
    for one in [server, *server.children()]:
        one.kill()
    assert is_gone(server.pid)
    first._lock.close()
    with caplog.at_level(logging.INFO):
        second = start(tmp_path / "desk")
    assert run(second.url, "select number from kept") == 42
    assert "had not been shut down; it recovered from its own log" in caplog.text
    second.stop()
    caplog.clear()
    start(tmp_path / "desk")
    assert "recovered" not in caplog.text


def test_stopping_twice_is_stopping_once(tmp_path: Path, start: Starting) -> None:
    server = start(tmp_path / "desk")
    server.stop()
    server.stop()
    assert not (tmp_path / "desk" / "postgres" / "postmaster.pid").exists()


def test_a_second_desk_joins_the_running_server_and_the_last_one_out_stops_it(tmp_path: Path, start: Starting) -> None:
    first = start(tmp_path / "desk")
    run(first.url, "create table kept as select 42 as number")
    server = process(tmp_path / "desk")
    second, third = start(tmp_path / "desk"), start(tmp_path / "desk")
    assert process(tmp_path / "desk") == server
    for leaving, staying in ((first, second), (second, third)):
        leaving.stop()
        assert run(staying.url, "select number from kept") == 42
    third.stop()
    assert is_gone(server)


def test_desks_that_start_at_the_same_moment_on_an_empty_folder_share_one_server(
    tmp_path: Path, start: Starting
) -> None:
    with ThreadPoolExecutor(3) as threads:
        desks = list(threads.map(start, [tmp_path / "desk"] * 3))
    run(desks[0].url, "create table kept as select 42 as number")
    assert {run(desk.url, "select number from kept") for desk in desks} == {42}


DESK = """
import sys, time
from pathlib import Path
from ticketcore.embedded import EmbeddedServer
server = EmbeddedServer(Path(sys.argv[1]))
print(server.url, flush=True)
time.sleep(120)
"""


def test_a_killed_desk_leaves_its_server_to_the_next_one_which_stops_it(tmp_path: Path, start: Starting) -> None:
    folder = tmp_path / "desk"
    with subprocess.Popen([sys.executable, "-c", DESK, folder], cwd=ROOT, stdout=subprocess.PIPE, text=True) as desk:
        assert desk.stdout is not None
        url = desk.stdout.readline().strip()
        run(url, "create table kept as select 42 as number")
        server = process(folder)
        desk.kill()
    os.kill(server, 0)  # it runs
    following = start(folder)
    assert process(folder) == server
    assert run(following.url, "select number from kept") == 42
    following.stop()
    assert is_gone(server)


def kill(server: int) -> None:
    """Ends the server the way a power cut would."""
    os.kill(server, signal.SIGKILL)
    assert is_gone(server)


def test_leaving_a_server_that_died_is_quiet(tmp_path: Path, start: Starting, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded, "LOOK", 60)
    server = start(tmp_path / "desk")
    kill(process(tmp_path / "desk"))
    try:
        server.stop()
    finally:
        server._lock.close()


def answers(url: str) -> bool:
    with contextlib.suppress(psycopg2.OperationalError):
        return run(url, "select 42") == 42
    return False


def until(condition: Callable[[], bool], patience: float = 20) -> None:
    deadline = time.monotonic() + patience
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.05)


def test_a_server_that_dies_under_its_desks_is_started_again_once_and_has_everything(
    tmp_path: Path, start: Starting
) -> None:
    folder = tmp_path / "desk"
    first, second = start(folder), start(folder)
    run(first.url, "create table kept as select 42 as number")
    for _ in range(2):
        dead = process(folder)
        kill(dead)
        until(lambda: answers(first.url))
        assert process(folder) != dead
        assert run(first.url, "select number from kept") == 42
    first.stop()
    assert run(second.url, "select number from kept") == 42
    revived = process(folder)
    second.stop()
    assert is_gone(revived)


def test_a_server_that_cannot_be_started_again_is_tried_again_later(
    tmp_path: Path, start: Starting, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedded, "LOOK", 0.1)
    server = start(tmp_path / "desk")
    configuration = tmp_path / "desk" / "postgres" / "postgresql.conf"
    configuration.rename(configuration.with_suffix(".away"))
    kill(process(tmp_path / "desk"))
    time.sleep(1)
    assert not answers(server.url)
    configuration.with_suffix(".away").rename(configuration)
    until(lambda: answers(server.url))


def test_a_server_that_was_killed_comes_back_with_everything(tmp_path: Path, start: Starting) -> None:
    folder = tmp_path / "desk"
    with subprocess.Popen([sys.executable, "-c", DESK, folder], cwd=ROOT, stdout=subprocess.PIPE, text=True) as desk:
        assert desk.stdout is not None
        run(desk.stdout.readline().strip(), "create table kept as select 42 as number")
        kill(process(folder))
        desk.kill()
    assert run(start(folder).url, "select number from kept") == 42


def test_a_start_that_a_killed_desk_left_under_way_is_waited_for(
    tmp_path: Path, start: Starting, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = start(tmp_path / "desk")
    run(first.url, "create table kept as select 42 as number")
    seen: list[bool] = []

    def answers_late(server: EmbeddedServer) -> bool:
        seen.append(len(seen) > 3)
        return seen[-1]

    monkeypatch.setattr(EmbeddedServer, "_answers", answers_late)
    assert run(start(tmp_path / "desk").url, "select number from kept") == 42
    assert seen[-2:] == [False, True]


def test_what_an_interrupted_first_start_left_behind_does_not_matter(tmp_path: Path, start: Starting) -> None:
    leftover = tmp_path / "desk" / "postgres.new" / "base"
    leftover.mkdir(parents=True)
    (leftover / "1").write_text("half a database")
    (tmp_path / "desk" / "postgres.lock").touch()
    assert run(start(tmp_path / "desk").url, "select 42") == 42
    assert not leftover.exists()


def test_a_folder_with_a_path_too_long_for_a_socket_will_do_and_its_socket_is_nobody_elses(
    tmp_path: Path, start: Starting
) -> None:
    folder = tmp_path / ("long" * 30) / "desk"
    server = start(folder)
    sockets = Path(str(run(server.url, "select setting from pg_settings where name = 'unix_socket_directories'")))
    assert run(server.url, "select 42") == 42
    assert stat.S_IMODE(sockets.stat().st_mode) & 0o077 == 0


@pytest.mark.parametrize("name", ["my desk", "R&D, 100% +more=?#", "c++", 'it\'s $HOME "here"', "Übung\\漢字"])
def test_the_folder_may_have_any_name(tmp_path: Path, start: Starting, name: str) -> None:
    server = start(tmp_path / name)
    assert run(server.url, "select 42") == 42
    db = Database(server.url)
    assert db.is_ready()
    db.close()


def test_a_folder_that_is_closed_to_other_users_will_do(tmp_path: Path, start: Starting) -> None:
    (tmp_path / "desk").mkdir(mode=0o700)
    assert run(start(tmp_path / "desk").url, "select 42") == 42


def test_nobody_reaches_the_server_over_the_network_nor_its_files(tmp_path: Path, start: Starting) -> None:
    server = start(tmp_path / "desk")
    assert run(server.url, "select setting from pg_settings where name = 'listen_addresses'") == ""
    assert stat.S_IMODE((tmp_path / "desk" / "postgres").stat().st_mode) & 0o077 == 0


def occupy_with_a_file(folder: Path) -> None:
    folder.write_text("a letter")


def occupy_with_other_files(folder: Path) -> None:
    (folder / "postgres").mkdir(parents=True)
    (folder / "postgres" / "letter").write_text("a letter")


def occupy_with_another_age(folder: Path) -> None:
    (folder / "postgres").mkdir(parents=True, mode=0o700)
    (folder / "postgres" / "PG_VERSION").write_text("9.6\n")


@pytest.mark.parametrize("occupy", [occupy_with_a_file, occupy_with_other_files, occupy_with_another_age])
def test_a_folder_that_cannot_be_used_is_named_in_one_line_and_can_be_used_once_it_is_mended(
    tmp_path: Path, start: Starting, occupy: Callable[[Path], None]
) -> None:
    folder = tmp_path / "desk"
    occupy(folder)
    with pytest.raises(StartUpError, match=r"desk") as caught:
        start(folder)
    assert len(str(caught.value).splitlines()) == 1
    if folder.is_dir():
        shutil.rmtree(folder / "postgres")
    else:
        folder.unlink()
    assert run(start(folder).url, "select 42") == 42


def test_a_folder_below_a_file_cannot_be_used(tmp_path: Path, start: Starting) -> None:
    (tmp_path / "letter").write_text("a letter")
    with pytest.raises(StartUpError, match="letter"):
        start(tmp_path / "letter" / "desk")
