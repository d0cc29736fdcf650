"""`python -m ticketcore.evaluate` measures everybody who suggests on a file of sorted tickets."""

import csv
import re
from pathlib import Path

import pytest

from tests.unit.provider import Provider, fails, says
from tests.unit.test_triage import tickets
from ticketcore.evaluate import main


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """400 tickets of four topics."""
    return written(tmp_path / "sorted.csv", [
        {"description": one.text, "category": one.known["category"][0], "priority": one.known["priority"][0]}
        for one in tickets(400, priority=True)
    ])  # fmt: skip


def written(path: Path, rows: list[dict[str, str]]) -> Path:
    with path.open("w", newline="") as opened:
        writer = csv.DictWriter(opened, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


def test_it_prints_every_figure_of_every_member(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main([str(file)])
    said = capsys.readouterr().out
    assert "CATEGORY: 80 held-out tickets" in said
    assert "PRIORITY: 80 held-out tickets" in said
    category = said.partition("CATEGORY")[2].partition("PRIORITY")[0]
    names = re.findall(r"^  (\S.*): accuracy ([\d.]+) ± [\d.]+, macro-F1 [\d.]+$", category, re.MULTILINE)
    assert [name for name, _ in names][1:] == ["rules", "desk model", "the chain"]
    assert names[0][0].startswith("always ")
    accuracy = {name: float(share) for name, share in names}
    assert accuracy["desk model"] == accuracy["the chain"] > 0.9
    assert category.count("expected calibration error") == 4
    assert category.count("ms (median)") == 4
    matrix = category.partition("desk model: ")[2].partition("the chain")[0]
    numbers = [int(number) for line in matrix.splitlines()[4:8] for number in line.split()[1:]]
    assert len(numbers) == 16
    assert sum(numbers) == 80
    assert sum(numbers[::5]) == round(accuracy["desk model"] * 80)
    assert "The language model was not asked" in said


def test_a_file_may_know_one_of_the_two_and_titles_and_not_every_value(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [
        {"title": "voucher tariff" if n % 2 else "badge avatar", "description": f"number {n}", "status": "x",
         "category": ("billing" if n % 2 else "account") if n % 10 else ""}
        for n in range(400)
    ]  # fmt: skip
    main([str(written(tmp_path / "a.csv", rows))])
    said = capsys.readouterr().out
    assert "CATEGORY: 72 held-out tickets" in said
    assert "desk model: accuracy 1.000" in said
    assert "PRIORITY" not in said


def test_the_language_model_is_asked_no_more_often_than_allowed(
    file: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    provider = Provider(says({"category": "billing", "priority": "low"}))
    monkeypatch.setenv("OPENAI_API_KEY", "sk-x")
    monkeypatch.setenv("OPENAI_BASE_URL", provider.url)
    try:
        main([str(file), "--limit", "30"])
        assert len(provider.requests) == 30
        said = capsys.readouterr().out
        assert said.count("language model (30 of them): accuracy") == 2
        provider.behaves(fails(401))
        main([str(file), "--limit", "3"])
        assert capsys.readouterr().out.count("language model: no answer to 3") == 2
    finally:
        provider.close()


def test_a_desk_can_be_watched_as_it_grows(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main([str(file), "--one-by-one", "400"])
    (line,) = capsys.readouterr().out.splitlines()
    assert re.fullmatch(r"tickets 1–400: right 0\.\d{3}, \d+ by the desk model", line)


@pytest.mark.parametrize(
    ("content", "arguments", "message"),
    [
        (b"", [], "is not a CSV file in UTF-8"),
        (b"description\nA\n", [], "needs a column description, and a column category or priority"),
        (b"title,category\nA,billing\n", [], "needs a column description"),
        (b"description,category\nA,billing\nB,red\n", [], "row 2: category: 'red' is none of billing, technical"),
        (b"description,category\n\xff,billing\n", [], "is not a CSV file in UTF-8"),
        (b"description,category\nA,billing\n", ["--one-by-one", "2"], "has 1 tickets with a category"),
        (b"description,category\n" + b"A,billing\n" * 9, ["--limit", "1"], "OPENAI_API_KEY is not set"),
        (b"description,category\nA,billing\n" * 1, [], "has 1 tickets whose category or priority is known; it needs 5"),
        (b"description,category\nA,billing,more\n", [], "is not a CSV file in UTF-8"),
        (b"description,category\n", [], "has no ticket whose category or priority is known"),
    ],
)
def test_what_cannot_be_measured_is_one_line(
    tmp_path: Path, content: bytes, arguments: list[str], message: str
) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(content)
    with pytest.raises(SystemExit, match=re.escape(message)) as stopped:
        main([str(path), *arguments])
    assert str(stopped.value).startswith(f"{path}: ")


@pytest.mark.parametrize("argument", ["--limit=-1", "--one-by-one=-1", "--limit=many"])
def test_numbers_are_at_least_zero(file: Path, argument: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main([str(file), argument])
    assert "invalid" in capsys.readouterr().err


def test_a_file_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="No such file"):
        main([str(tmp_path / "none.csv")])
