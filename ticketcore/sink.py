"""A file that is written at one end and taken away, piece by piece, at the other."""

import io


class Sink(io.RawIOBase):
    """What libraries that write files write to; it cannot seek."""

    def __init__(self) -> None:
        self._written = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, content: bytes) -> int:  # type: ignore[override]  # bytes are what is written here
        self._written += content
        return len(content)

    def take(self) -> bytes:
        """What was written since the last time."""
        taken, self._written = bytes(self._written), bytearray()
        return taken
