"""The replica of docker-compose.yml: its script as it stands there, beside a primary with its flags from there."""

import os
import re
import signal
import socket
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psutil
import psycopg2
import pytest
import yaml

from tests.browser.conftest import until
from tests.conftest import binaries
from tests.unit.test_deployment import ROOT, program, shell
from ticketcore import embedded

PROGRAMS = binaries(15)
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


class Server:
    """A container of compose without its walls: what it runs, in folders of the test and at a port of its own."""

    def __init__(self, folder: Path, name: str) -> None:
        self.folder, self.name = folder, name
        self.files = folder / name
        self.port = free_port()
        account = embedded._unprivileged_account(folder, PROGRAMS)
        self.identity: dict[str, Any] = {}
        if account:
            os.chown(folder, account.pw_uid, account.pw_gid)
            self.identity = {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
        self.command: list[str] = []

    def run(self, *command: object) -> None:
        subprocess.run([*map(str, command)], env=self.environment(), cwd="/", check=True, timeout=60, **self.identity)

    def environment(self) -> dict[str, str]:
        return {"PATH": f"{PROGRAMS}:{os.environ['PATH']}", "LC_ALL": "C.UTF-8", "PGPORT": str(self.port)}

    def start(self) -> None:
        with (self.folder / f"{self.name}.log").open("ab") as log:
            self.process = subprocess.Popen(
                self.command, env=self.environment(), cwd="/",
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, **self.identity,
            )  # fmt: skip

    def stop(self) -> None:
        """Ends it as Docker does: with the signal that the image asks for."""
        if not hasattr(self, "process"):
            return
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        self.process.wait(30)

    def log(self) -> str:
        return (self.folder / f"{self.name}.log").read_text()

    def sql(self, statement: str, **how: str) -> list[tuple[Any, ...]]:
        password = (self.folder / "secrets" / "password").read_text()
        known = {"user": "desk", "password": password, "dbname": "desk", "connect_timeout": "5"}
        connection = psycopg2.connect(host="127.0.0.1", port=self.port, **{**known, **how})
        connection.autocommit = True
        try:
            with connection.cursor() as cursor:
                cursor.execute(statement)
                return cursor.fetchall() if cursor.description else []
        finally:
            connection.close()

    def answers(self, **how: str) -> bool:
        assert self.process.poll() is None, self.log()
        try:
            return self.sql("select true", **how) == [(True,)]
        except psycopg2.OperationalError:
            return False


class Primary(Server):
    """The service `db`, as the image sets it up."""

    def __init__(self, folder: Path, name: str = "primary") -> None:
        super().__init__(folder, name)
        self.run(
            "initdb", "-D", self.files, "-U", "desk", f"--pwfile={folder / 'secrets' / 'password'}",
            *COMPOSE["db"]["environment"]["POSTGRES_INITDB_ARGS"].split(),
        )  # fmt: skip
        with (self.files / "postgresql.conf").open("a") as own:
            own.write(f"listen_addresses = '*'\nunix_socket_directories = '{folder}'\n")
        flags = COMPOSE["db"]["command"].replace("/run/desk", str(folder / "secrets"))
        self.command = [*flags.split(), "-D", str(self.files)]

    def found(self) -> None:
        """Starts it for the first time, and makes the database in it."""
        self.start()
        until(lambda: self.answers(dbname="postgres"))
        self.sql("create database desk", dbname="postgres")

    def start(self, **changed: str) -> None:
        command = self.command
        for name, value in changed.items():
            self.command = [re.sub(f"^{name}=.*", f"{name}={value}", word) for word in self.command]
        super().start()
        self.command = command


class Replica(Server):
    """The service `replica`; its watch looks every second instead of every quarter of a minute."""

    def __init__(self, primary: Primary) -> None:
        super().__init__(primary.folder, "replica")
        [script] = COMPOSE["replica"]["command"]
        for there, here in {
            "$$": "$",
            "/var/lib/postgresql/data": str(self.folder),
            "/run/desk": str(self.folder / "secrets"),
            "/tmp/passfile": str(self.folder / "passfile"),
            "host=db": f"host=127.0.0.1 port={primary.port}",
            "sleep 15": "sleep 1",
        }.items():
            assert there in script
            script = script.replace(there, here)
        self.command = ["sh", "-euc", script]

    def has(self, note: str) -> bool:
        assert self.process.poll() is None, self.log()
        try:
            return self.sql(f"select true from notes where note = '{note}'") == [(True,)]
        except psycopg2.Error:
            return False


@pytest.fixture
def primary(tmp_path: Path) -> Iterator[Primary]:
    """The primary, running, with a table of notes."""
    secrets = tmp_path / "secrets"
    secrets.mkdir()
    tmp_path.chmod(0o755)
    program(tmp_path, "chown", ":")
    assert shell(COMPOSE["secrets"]["command"][0], secrets, tmp_path).returncode == 0
    (secrets / "password").chmod(0o444)  # there is no group to read it by
    primary = Primary(tmp_path)
    try:
        primary.found()
        primary.sql("create table notes (note text)")
        yield primary
    finally:
        primary.stop()


@pytest.fixture
def replica(primary: Primary) -> Iterator[Replica]:
    """The replica, not yet started."""
    replica = Replica(primary)
    yield replica
    replica.stop()


def note(primary: Primary, text: str) -> None:
    primary.sql(f"insert into notes values ('{text}')")


def test_what_is_written_to_the_primary_arrives_at_the_replica(primary: Primary, replica: Replica) -> None:
    note(primary, "before it was there")
    replica.start()
    until(lambda: replica.has("before it was there"))
    note(primary, "after")
    until(lambda: replica.has("after"))
    with pytest.raises(psycopg2.errors.ReadOnlySqlTransaction):
        note(replica, "here")  # type: ignore[arg-type]
    assert primary.sql("select application_name, state from pg_stat_replication") == [("replica", "streaming")]
    told = dict(replica.sql("select name, setting from pg_settings"))
    assert (told["hot_standby_feedback"], told["max_standby_streaming_delay"]) == ("on", "300000")
    assert (replica.files.stat().st_mode & 0o777, told["primary_slot_name"]) == (0o700, "replica")


def test_both_come_back_by_themselves_and_nothing_is_cloned_again(primary: Primary, replica: Replica) -> None:
    replica.start()
    until(replica.answers)
    (replica.files / "mark").touch()
    replica.stop()
    note(primary, "while the replica was away")
    replica.start()
    until(lambda: replica.has("while the replica was away"))

    primary.stop()
    assert replica.has("while the replica was away")
    primary.start()
    until(primary.answers)
    note(primary, "after the primary was away")
    until(lambda: replica.has("after the primary was away"))

    replica.process.kill()
    replica.process.wait()
    until(lambda: not servers(replica))
    note(primary, "while the replica was dead")
    replica.start()
    until(lambda: replica.has("while the replica was dead"))
    assert (replica.files / "mark").exists()


def servers(server: Server) -> list[psutil.Process]:
    """The processes of PostgreSQL that work on its files."""
    found = []
    for other in psutil.process_iter():
        try:
            if other.name() == "postgres" and other.cwd() == str(server.files):
                found.append(other)
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    return found


def test_a_replica_starts_and_serves_while_the_primary_is_away(primary: Primary, replica: Replica) -> None:
    note(primary, "old")
    replica.start()
    until(lambda: replica.has("old"))
    replica.stop()
    primary.stop()
    replica.start()
    until(lambda: replica.has("old"))
    primary.start()
    until(primary.answers)
    note(primary, "new")
    until(lambda: replica.has("new"))


def fill_the_log(primary: Primary) -> None:
    """Writes more than the primary may keep for a replica, 32 MB in these tests."""
    for _ in range(5):
        primary.sql("create table filler as select generate_series(1, 1000); drop table filler; select pg_switch_wal()")
    primary.sql("checkpoint")


def test_a_replica_that_was_away_too_long_is_cloned_anew(primary: Primary, replica: Replica) -> None:
    replica.start()
    until(replica.answers)
    (replica.files / "mark").touch()
    replica.stop()
    primary.stop()
    primary.start(max_slot_wal_keep_size="32MB")
    until(primary.answers)
    fill_the_log(primary)
    assert primary.sql("select wal_status from pg_replication_slots") == [("lost",)]
    note(primary, "much later")
    replica.start()
    until(lambda: replica.has("much later"))
    assert not (replica.files / "mark").exists()
    assert primary.sql("select slot_name, wal_status from pg_replication_slots") == [("replica", "reserved")]


def test_a_replica_that_falls_behind_too_far_while_it_runs_ends_to_be_cloned_anew(
    primary: Primary, replica: Replica
) -> None:
    primary.stop()
    primary.start(max_slot_wal_keep_size="32MB")
    until(primary.answers)
    replica.start()
    until(lambda: primary.sql("select state from pg_stat_replication") == [("streaming",)])
    [receiver] = [other for other in servers(replica) if "walreceiver" in " ".join(other.cmdline())]
    receiver.suspend()
    with ThreadPoolExecutor(1) as apart:
        try:
            filling = apart.submit(fill_the_log, primary)  # it ends when the sender of the log could say that it ends
            until(lambda: 'to release replication slot "replica"' in primary.log())
        finally:
            receiver.resume()
        filling.result(30)
    replica.process.wait(30)  # here Docker starts it again
    note(primary, "after all")
    replica.start()
    until(lambda: replica.has("after all"))


def test_a_cloning_that_was_cut_off_is_begun_again(primary: Primary, replica: Replica) -> None:
    half = replica.files.with_name("replica.new")
    replica.run("mkdir", half)
    replica.run("touch", half / "half")
    primary.sql("select pg_create_physical_replication_slot('replica', true)")
    replica.start()
    until(replica.answers)
    assert not half.exists()
    assert not (replica.files / "half").exists()


def test_a_replica_of_another_database_is_not_overwritten(primary: Primary, replica: Replica) -> None:
    note(primary, "the last copy of it")
    replica.start()
    until(lambda: replica.has("the last copy of it"))
    replica.stop()
    primary.stop()
    fresh = Primary(primary.folder, "fresh")
    try:
        fresh.found()
        again = Replica(fresh)
        again.start()
        assert again.process.wait(30) == 1
        assert "another database" in again.log()
    finally:
        fresh.stop()
    primary.start()
    until(primary.answers)
    replica.start()
    until(lambda: replica.has("the last copy of it"))


def test_the_password_stands_on_no_command_line_and_in_nobody_elses_reach(primary: Primary, replica: Replica) -> None:
    replica.start()
    until(replica.answers)
    password = (primary.folder / "secrets" / "password").read_text()
    for other in psutil.process_iter():
        try:
            assert password not in " ".join(other.cmdline())
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    assert (primary.folder / "passfile").stat().st_mode & 0o777 == 0o600
    assert password not in (replica.files / "postgresql.auto.conf").read_text()
    assert password not in replica.log()


@pytest.mark.parametrize("password", ["", "a guess"])
def test_who_does_not_know_the_password_is_refused_by_both(primary: Primary, replica: Replica, password: str) -> None:
    replica.start()
    until(replica.answers)
    for server in (primary, replica):
        with pytest.raises(psycopg2.OperationalError, match="password"):
            server.sql("select 1", password=password)
