"""What a browser knows of the page that it shows: its elements by place, its widgets with their values, its messages.

As Streamlit's own frontend has it: a run replaces what it draws again, and takes away what it did not draw once it has
ended. Nothing here talks to anybody; `streamlit_client.py` does.
"""

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlencode

import pyarrow.ipc
from streamlit.proto.Alert_pb2 import Alert
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.proto.WidgetStates_pb2 import WidgetState

Value = str | list[str] | int | float | bool


@dataclass(frozen=True, slots=True)
class Node:
    """An element or, without `widget`, a block or something that only shows."""

    kind: str
    element: Any
    run: str
    fragment: str
    script: str

    @property
    def id(self) -> str:
        """What Streamlit knows the widget by; empty for what is none."""
        return str(getattr(self.element, "id", ""))

    @property
    def key(self) -> str:
        """The key that the page gave the widget, or else its label."""
        key = self.id.split("-", 2)[-1]
        return key if key not in ("", "None") else str(getattr(self.element, "label", ""))


class Shown:
    """The page as one browser window has it."""

    def __init__(self) -> None:
        self.nodes: dict[tuple[int, ...], Node] = {}
        self.values: dict[str, WidgetState] = {}
        self.query: dict[str, list[str]] = {}
        self.heard: list[tuple[str, str]] = []
        """What toasts, warnings and the like said since somebody last cleared the list: its kind, and the text."""
        self.faults: list[str] = []
        """What must not be seen: errors and exceptions, since somebody last cleared the list."""

    def draw(self, message: ForwardMsg, run: str) -> None:
        """Takes in an element or a block."""
        delta, path = message.delta, tuple(message.metadata.delta_path)
        what = delta.WhichOneof("type")
        if what == "new_transient":  # a spinner
            return
        kind, element = "block", None
        if what == "new_element":
            kind = str(delta.new_element.WhichOneof("type"))
            element = getattr(delta.new_element, kind)
        node = Node(kind, element, run, delta.fragment_id, message.metadata.active_script_hash)
        self.nodes[path] = node
        if kind in ("alert", "exception", "toast"):
            self._hear(kind, element)
        elif element is not None and node.id:
            self._adopt(node)

    def _hear(self, kind: str, element: Any) -> None:
        if kind == "exception":
            self.faults.append(f"{element.type}: {element.message}")
        elif kind == "alert" and element.format == Alert.ERROR:
            self.faults.append(element.body)
        else:
            self.heard.append((kind if kind == "toast" else Alert.Format.Name(element.format).lower(), element.body))

    def _adopt(self, node: Node) -> None:
        """A widget keeps the value it has in the browser, unless the page sets another one."""
        is_set = getattr(node.element, "set_value", False) or getattr(node.element, "selection_state", "")
        if is_set or node.id not in self.values:
            value = initial(node.kind, node.element)
            if value is not None:
                self.values[node.id] = state(node.id, node.kind, value)

    def leave(self, main: str) -> None:
        """Forgets what belongs to a page, but not what `main`, the script around all pages, drew."""
        self.nodes = {path: node for path, node in self.nodes.items() if node.script == main}

    def sweep(self, run: str, fragments: Collection[str]) -> None:
        """Takes away what a run that has ended did not draw again: of its fragments or, without any, of all."""
        self.nodes = {
            path: node
            for path, node in self.nodes.items()
            if node.run == run or (fragments and node.fragment not in fragments)
        }
        there = {node.id for node in self.nodes.values()}
        self.values = {name: value for name, value in self.values.items() if name in there}

    def find(self, key: str, kind: str = "") -> Node | None:
        """The widget with that key or label, or whose key begins with `key` if that ends in an underscore."""
        for node in self.nodes.values():
            if node.id and kind in ("", node.kind):
                names = (node.key, getattr(node.element, "label", ""))
                if names[0].startswith(key) if key.endswith("_") else key in names:
                    return node
        return None

    def set(self, node: Node, value: Value) -> None:
        """Gives a widget a value, as a person does; the address follows where it is bound to it."""
        self.values[node.id] = state(node.id, node.kind, value)
        parameter = getattr(node.element, "query_param_key", "")
        if not parameter:
            return
        self.query.pop(parameter, None)
        if value != default(node.kind, node.element):
            self.query[parameter] = value if isinstance(value, list) else [str(value)]

    def bound(self) -> dict[str, list[str]]:
        """The part of the address that widgets hold; of a page that is left, the rest goes."""
        held = {getattr(node.element, "query_param_key", "") for node in self.nodes.values()}
        return {name: values for name, values in self.query.items() if name in held}


def state(name: str, kind: str, value: Value) -> WidgetState:
    """The value of a widget as the browser sends it."""
    made = WidgetState(id=name)
    match kind:
        case "multiselect" | "date_input" | "button_group":
            made.string_array_value.SetInParent()
            made.string_array_value.data.extend(value if isinstance(value, list) else [])
        case "checkbox":
            made.bool_value = bool(value)
        case "number_input":
            made.double_value = float(value)  # type: ignore[arg-type]
        case "pagination":
            made.int_value = int(value)  # type: ignore[arg-type]
        case _:
            made.string_value = str(value)
    return made


def initial(kind: str, element: Any) -> Value | None:
    """The value that a widget arrives with; None for one without."""
    if not getattr(element, "set_value", False):
        return _selected(element) or default(kind, element)
    match kind:
        case "multiselect" | "button_group":
            return list(element.raw_values)
        case "date_input":
            return list(element.value)
        case "selectbox":
            return str(element.raw_value) if element.HasField("raw_value") else None
        case "text_input" | "text_area":
            return str(element.value) if element.HasField("value") else None
    value: Value = element.value
    return value


def default(kind: str, element: Any) -> Value | None:
    """The value of a widget that nobody has set."""
    value: Value | None = None
    match kind:
        case "multiselect":
            value = [element.options[place] for place in element.default]
        case "button_group":
            value = [element.options[place].content for place in element.default]
        case "date_input":
            value = list(element.default)
        case "selectbox" if element.HasField("default"):
            value = str(element.options[element.default])
        case "checkbox" | "pagination":
            value = element.default
        case "text_input" | "text_area" | "number_input" if element.HasField("default"):
            value = element.default
    return value


def options(node: Node) -> list[str]:
    """What a widget offers."""
    return [getattr(option, "content", option) for option in node.element.options]


def rows(table: Node) -> int:
    """How many rows a table has."""
    with pyarrow.ipc.open_stream(table.element.arrow_data.data) as stream:
        return int(stream.read_all().num_rows)


def _selected(element: Any) -> str:
    """What the page wants selected in a table."""
    return str(getattr(element, "selection_state", "") or getattr(element, "selection_default", ""))


def a_cell(row: int, column: str) -> str:
    """A click into a table whose rows and cells can be selected."""
    return json.dumps({"selection": {"rows": [], "columns": [], "cells": [[row, column]]}})


def written(query: Mapping[str, list[str]]) -> str:
    """The address after its question mark."""
    return urlencode(query, doseq=True)


def read(query: str) -> dict[str, list[str]]:
    """The address after its question mark, taken apart."""
    return parse_qs(query, keep_blank_values=True)
