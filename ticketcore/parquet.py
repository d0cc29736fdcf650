"""Rows of an export as Parquet: real types, a row group at a time."""

import io
from collections.abc import Iterator, Sequence
from itertools import chain

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from ticketcore.columns import Column, Kind
from ticketcore.sink import Sink

ROW_GROUP = 32_768
"""Rows in a group, unless they are long."""

GROUP_SIZE = 32 * 1024 * 1024
"""Bytes in memory after which a group ends."""

BLOCK = 4 * 1024 * 1024
"""Bytes that are parsed at a time; the longest row has a twentieth of it."""

TYPES = {
    Kind.INTEGER: pa.int64(),
    Kind.DECIMAL: pa.float64(),
    Kind.BOOLEAN: pa.bool_(),
    Kind.MOMENT: pa.timestamp("us", "UTC"),
    Kind.TEXT: pa.string(),
    Kind.WORD: pa.dictionary(pa.int32(), pa.string()),
}

OPTIONS = "format csv"
"""How COPY has to write the rows."""


class _Source(io.RawIOBase):
    """The batches as one file to read from."""

    def __init__(self, batches: Iterator[list[bytes]]) -> None:
        self._batches = batches
        self._rest = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray) -> int:  # type: ignore[override]  # what BufferedReader hands over
        if not self._rest:
            self._rest = memoryview(b"".join(next(self._batches, [])))
        length = min(len(buffer), len(self._rest))
        buffer[:length] = self._rest[:length]
        self._rest = self._rest[length:]
        return length


def chunks(columns: Sequence[Column], batches: Iterator[list[bytes]]) -> Iterator[bytes]:
    """The file, piece by piece; `batches` are rows as `OPTIONS` makes COPY write them."""
    schema = pa.schema([(column.name, TYPES[column.kind]) for column in columns])
    sink = Sink()
    with pa.parquet.ParquetWriter(sink, schema, compression="zstd") as writer:
        yield sink.take()
        for group in _groups(schema, batches):
            writer.write_table(group)
            yield sink.take()
    yield sink.take()


def _groups(schema: pa.Schema, batches: Iterator[list[bytes]]) -> Iterator[pa.Table]:
    first = next(batches, None)
    if first is None:  # the reader of CSV takes no empty file
        return
    source = io.BufferedReader(_Source(chain([first], batches)), BLOCK)  # type: ignore[type-var]  # typeshed asks more
    reader = pa.csv.open_csv(
        source,
        read_options=pa.csv.ReadOptions(column_names=schema.names, block_size=BLOCK, use_threads=False),
        # An empty line is a row whose one cell is empty.
        parse_options=pa.csv.ParseOptions(newlines_in_values=True, ignore_empty_lines=False),
        convert_options=pa.csv.ConvertOptions(
            column_types=schema, null_values=[""], true_values=["t"], false_values=["f"],
            strings_can_be_null=True, quoted_strings_can_be_null=False,
        ),
    )  # fmt: skip
    waiting: list[pa.RecordBatch] = []
    for batch in reader:
        waiting.append(batch)
        if sum(map(len, waiting)) >= ROW_GROUP or sum(batch.nbytes for batch in waiting) >= GROUP_SIZE:
            yield pa.Table.from_batches(waiting).unify_dictionaries()
            waiting = []
    if waiting:
        yield pa.Table.from_batches(waiting).unify_dictionaries()
