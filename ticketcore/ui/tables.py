"""Small tables of figures as HTML: they print whole, a screen reader reads them, and every number can be a link."""

import html
from collections import namedtuple
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any

import pyarrow as pa
import streamlit as st

Cell = str | tuple[str, str | None]
"""A text, or a text and where it leads."""

STYLE = """<style>
.figures { overflow-x: auto; }
.figures table { width: 100%; border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: 0.9rem; }
.figures th, .figures td { padding: 0.3rem; text-align: right; border-bottom: 1px solid rgba(128, 128, 128, 0.25); }
.figures th { font-weight: 600; opacity: 0.75; vertical-align: bottom; }
.figures th:first-child, .figures td:first-child { text-align: left; min-width: 5.5rem; overflow-wrap: anywhere; }
.figures a { color: inherit; text-decoration: underline; text-decoration-color: rgba(128, 128, 128, 0.6);
  text-underline-offset: 0.2em; }
</style>"""


def show(columns: Sequence[str], rows: Sequence[Sequence[Cell]]) -> None:
    """The table; the first column names the row."""
    head = "".join(f'<th scope="col">{html.escape(name)}</th>' for name in columns)
    body = "".join(f"<tr>{''.join(map(_cell, row))}</tr>" for row in rows)
    table = f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
    st.html(f'{STYLE}<div class="figures" role="group" aria-label="Figures" tabindex="0">{table}</div>')


def rows(table: pa.Table) -> Iterator[Any]:
    """The rows of a table, their values by name; None where there is none."""
    columns = (column.to_pylist() for column in table.columns)
    yield from map(_row(tuple(table.column_names))._make, zip(*columns, strict=True))


@lru_cache(maxsize=64)
def _row(names: tuple[str, ...]) -> Any:
    return namedtuple("Row", names)


def _cell(cell: Cell) -> str:
    text, link = cell if isinstance(cell, tuple) else (cell, None)
    shown = html.escape(text)
    return f'<td><a href="{html.escape(link)}">{shown}</a></td>' if link else f"<td>{shown}</td>"
