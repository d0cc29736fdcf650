"""The lines of a file as text, one at a time, with how far it was read."""

from collections.abc import Iterator
from typing import IO

LONGEST = 1 << 20
"""Bytes that a row may have. In JSON a description takes 240,000 at the most: 20,000 characters of twelve each."""


class TooLong(Exception):
    """The row has more than `LONGEST` bytes."""


class Lines:
    """The lines of a file. What is not UTF-8 comes as lone surrogates, and the row counts as broken.

    Raises:
        TooLong: the row that was begun has become too long; the line is read to its end nevertheless.
    """

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.number = 0
        """Of the line that was read last; the first of the file is 1."""
        self.bytes_read = 0
        self.begin_row()

    def begin_row(self) -> None:
        """What comes now belongs to another row."""
        self.is_broken = False
        self._quotes = 0
        self._row: list[str] = []
        self._length = 0

    @property
    def row(self) -> str:
        """The row so far, as far as it is not too long."""
        return "".join(self._row)

    @property
    def is_in_quotes(self) -> bool:
        """Whether a quote is open where the last line ends."""
        return self._quotes % 2 == 1

    def skip_quoted(self) -> None:
        """Reads to the end of the line in which the quote that is open is closed."""
        while self.is_in_quotes:
            self._row, self._length = [], 0
            try:
                next(self)
            except StopIteration:
                return
            except TooLong:
                continue

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        raw = self._file.readline(LONGEST)
        if not raw:
            raise StopIteration
        self.number += 1
        self._count(raw)
        rest = raw
        while not rest.endswith(b"\n") and (rest := self._file.readline(LONGEST)):
            self._count(rest)
        line = self._text(raw.removeprefix(b"\xef\xbb\xbf") if self.number == 1 else raw)
        self._row.append(line)
        if self._length > LONGEST:
            raise TooLong
        return line

    def _text(self, raw: bytes) -> str:
        try:
            return raw.decode()
        except UnicodeDecodeError:
            self.is_broken = True
            return raw.decode(errors="surrogateescape")

    def _count(self, raw: bytes) -> None:
        self.bytes_read += len(raw)
        self._length += len(raw)
        self._quotes += raw.count(b'"')
