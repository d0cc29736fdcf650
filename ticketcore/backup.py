"""The command line: `python -m ticketcore.backup FILE` writes the whole desk into a file; `--restore` reads it back.

By PostgreSQL's own pg_dump and psql, which the embedded server brings: newer ones than the oldest server that is
supported, so what a dump sets that such a server does not know is left out.
"""

import argparse
import contextlib
import os
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import click
import sqlalchemy as sa

from ticketcore import founding, settings
from ticketcore.driver import driver_url
from ticketcore.embedded import BINARIES, EmbeddedServer
from ticketcore.errors import StartUpError

UNKNOWN_TO_OLD = b"SET transaction_timeout"
"""What newer dumps set at their beginning and servers before 17 refuse; it says nothing about the desk."""

BEGINNING = 50
"""Lines before which such a statement stands; later ones may be what people wrote."""


class BackupError(Exception):
    """Why nothing was written or read, in a line."""


def main(arguments: list[str] | None = None) -> None:
    """Writes or reads the file, and says which."""
    parser = argparse.ArgumentParser(prog="python -m ticketcore.backup", description="Back a desk up, or restore it.")
    parser.add_argument("file", type=Path, help="the file, in pg_dump's custom format")
    parser.add_argument("--restore", action="store_true", help="read it, into a desk without tickets")
    chosen = parser.parse_args(arguments)
    try:
        with _server() as url:
            if chosen.restore:
                restore(url, chosen.file)
                click.echo(f"restored {_number(url):,} tickets from {chosen.file}")
            else:
                back_up(url, chosen.file)
                click.echo(f"wrote {_number(url):,} tickets to {chosen.file}")
    except OSError as error:
        raise SystemExit(f"{chosen.file}: {error.strerror or error}") from None
    except (BackupError, StartUpError) as error:
        raise SystemExit(f"{chosen.file}: {error}") from None


@contextlib.contextmanager
def _server() -> Iterator[str]:
    """Where the desk that the environment names has its database."""
    chosen = settings.read()
    if chosen.database_url:
        founding.wait(url := chosen.database_url.get_secret_value())
        yield url
        return
    server = EmbeddedServer(chosen.data_folder)
    try:
        yield server.url
    finally:
        server.stop()


def back_up(url: str, path: Path) -> None:
    """Writes everything as of one moment, while the desk runs; the file is there whole or not at all.

    Raises:
        BackupError: pg_dump failed; says why.
    """
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
        try:
            _run("pg_dump", "--format=custom", "--no-owner", "--no-privileges", url=url, into=file)
            file.flush()
            os.fsync(file.fileno())
            Path(file.name).replace(path)
        except BaseException:
            Path(file.name).unlink()
            raise


def restore(url: str, path: Path) -> None:
    """Puts the desk of the file into a database that holds no ticket; all of it or nothing.

    The tables are as old as the backup; the next start of the desk migrates them.

    Raises:
        BackupError: there are tickets, or the file is not a backup; nothing was changed.
    """
    if _number(url):
        raise BackupError(f"the desk there has {_number(url):,} tickets; restore into an empty one")
    with path.open("rb") as dump, tempfile.TemporaryFile() as script, tempfile.TemporaryFile() as known:
        _run(
            "pg_restore", "--clean", "--if-exists", "--no-owner", "--no-privileges", "--file=-", reads=dump, into=script
        )
        script.seek(0)
        for number, line in enumerate(script):
            if number > BEGINNING or not line.startswith(UNKNOWN_TO_OLD):
                known.write(line)
        known.seek(0)
        _run("psql", "--quiet", "--no-psqlrc", "--set=ON_ERROR_STOP=1", "--single-transaction", url=url, reads=known)


def _number(url: str) -> int:
    engine = sa.create_engine(driver_url(url), poolclass=sa.NullPool)
    with engine.connect() as connection:
        is_desk = connection.scalar(sa.text("select to_regclass('tickets') is not null"))
        return connection.scalar(sa.text("select count(*) from tickets")) or 0 if is_desk else 0


def _run(
    program: str, *arguments: str, url: str | None = None, reads: IO[bytes] | None = None, into: IO[bytes] | None = None
) -> None:
    where = [f"--dbname={_libpq(url)}"] if url else []
    # The password is part of the address: it goes by the environment, which others on the machine cannot read.
    done = subprocess.run(  # noqa: S603 - our own binaries with our own words
        [BINARIES / program, *arguments, *where], stdin=reads or subprocess.DEVNULL, stdout=into or subprocess.DEVNULL,
        stderr=subprocess.PIPE, env={**os.environ, **_password(url)}, check=False,
    )  # fmt: skip
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().splitlines() or ["no output"]
        raise BackupError(f"{program}: {said[0].removeprefix(f'{program}: ')}")


def _libpq(url: str) -> str:
    return sa.make_url(driver_url(url)).set(drivername="postgresql", password=None).render_as_string()


def _password(url: str | None) -> dict[str, str]:
    password = sa.make_url(driver_url(url)).password if url else None
    return {"PGPASSWORD": str(password)} if password else {}


if __name__ == "__main__":
    main()
