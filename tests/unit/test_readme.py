"""The README says what is so: its variables, targets, pages and pictures exist, and none is missing."""

import re
from pathlib import Path

from ticketcore.behind import Behind
from ticketcore.settings import Settings
from ticketcore.ui.meanings import MEANINGS

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()


def test_the_configuration_table_names_exactly_the_variables_that_settings_reads() -> None:
    section = README.partition("## Configuration")[2].partition("\n## ")[0]
    documented = set(re.findall(r"^\| `([A-Z_]+)` \|", section, re.MULTILINE))
    assert documented == {field.alias for field in Settings.model_fields.values()}


def written(default: object) -> str:
    """A default as the environment would say it."""
    if isinstance(default, dict):
        return ",".join(f"{name}={value:g}" for name, value in default.items())
    if isinstance(default, bool):
        return str(int(default))
    return f"{default:g}" if isinstance(default, float) else str(default)


def test_the_defaults_in_the_configuration_table_are_the_real_ones() -> None:
    section = README.partition("## Configuration")[2].partition("\n## ")[0]
    shown = dict(re.findall(r"^\| `([A-Z_]+)` \|[^|]*\| `([^`]+)` \|$", section, re.MULTILINE))
    real = {field.alias: field.default for field in Settings.model_fields.values()}
    assert shown == {name: written(real[name]) for name in shown}
    assert len(shown) == 14


def test_the_definitions_are_those_that_the_page_shows() -> None:
    section = README.partition("### Definitions")[2].partition("\n## ")[0]
    rows = dict(re.findall(r"^\| ([A-Z][^|]*) \| ([^|]+) \|$", section, re.MULTILINE))
    assert rows == MEANINGS


def test_every_condition_behind_a_figure_is_named() -> None:
    section = README.partition("### What stands behind a figure")[2].partition("\n### ")[0]
    assert set(re.findall(r"`([a-z_]+)`", section)) >= set(Behind.model_fields)


def test_every_make_target_that_the_readme_names_exists() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"\bmake ([a-z]+)", README)) - {"run"} <= targets
    assert "run" in targets


def test_every_file_that_the_readme_links_to_is_there_and_small() -> None:
    linked = set(re.findall(r"\]\((docs/[^)]+)\)", README))
    assert linked
    for name in linked:
        assert 0 < (ROOT / name).stat().st_size < 200_000


def test_the_readme_names_every_call_of_the_api() -> None:
    from ticketcore.api import build

    paths = build(lambda: None).openapi()["paths"]
    for path in paths:
        assert f"/api{path.removesuffix('/')}".replace("{ticket_id}", "{id}") in README
