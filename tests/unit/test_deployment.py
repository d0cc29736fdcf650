"""What ships besides the code: requirements, Dockerfile, docker-compose.yml, .env.example, Makefile, server settings.

The shell in docker-compose.yml is run as it stands there, with a folder of the test in the place of the volume.
"""

import os
import re
import subprocess
import tomllib
from importlib.metadata import requires
from itertools import pairwise, product
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from streamlit import config

from ticketcore import embedded
from ticketcore.settings import Settings

ROOT = Path(__file__).parents[2]
SETTINGS = {str(field.alias) for field in Settings.model_fields.values()}
COMPOSE_TEXT = (ROOT / "docker-compose.yml").read_text()
DOCKERFILE = (ROOT / "Dockerfile").read_text()
THEME = tomllib.loads((ROOT / ".streamlit/config.toml").read_text())["theme"]


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    services: dict[str, Any] = yaml.safe_load(COMPOSE_TEXT)["services"]
    return services


def shell(script: str, volume: Path, programs: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Runs a script of docker-compose.yml; `programs` are found before those of the system."""
    here = script.replace("$$", "$").replace("/run/desk", str(volume))
    return subprocess.run(
        ["sh", "-euc", here],
        env={"PATH": f"{programs}:{os.environ['PATH']}", **environment},
        capture_output=True, text=True, check=False, timeout=20,
    )  # fmt: skip


def program(folder: Path, name: str, text: str) -> None:
    (folder / name).write_text(f"#!/bin/sh\n{text}\n")
    (folder / name).chmod(0o755)


@pytest.fixture
def volume(tmp_path: Path) -> Path:
    folder = tmp_path / "volume"
    folder.mkdir()
    return folder


@pytest.fixture
def programs(tmp_path: Path) -> Path:
    folder = tmp_path / "programs"
    folder.mkdir()
    program(folder, "chown", 'echo "$@" >> "$(dirname "$0")/chown.log"')  # only root may give a file away
    program(folder, "streamlit", 'echo "$DATABASE_URL $COOKIE_SECRET $DATABASE_REPLICA_URL" "$@"')
    return folder


SECRETS = {"password": "999", "cookie_secret": "10001"}
"""What the first start makes, and the group that may read it beside the desk."""


def test_the_first_start_makes_secrets_that_the_second_keeps(
    services: dict[str, Any], volume: Path, programs: Path
) -> None:
    [script] = services["secrets"]["command"]
    assert shell(script, volume, programs).returncode == 0
    made = {name: (volume / name).read_text() for name in SECRETS}
    for name, secret in made.items():
        assert re.fullmatch("[0-9a-f]{64}", secret)
        assert (volume / name).stat().st_mode & 0o777 == 0o440
    assert len(set(made.values())) == 2
    assert {file.name for file in volume.iterdir()} == {*SECRETS, "pg_hba.conf"}

    assert shell(script, volume, programs).returncode == 0
    assert {name: (volume / name).read_text() for name in SECRETS} == made


def test_an_older_volume_keeps_its_password_and_gets_the_rest(
    services: dict[str, Any], volume: Path, programs: Path
) -> None:
    (volume / "password").write_text("c0ffee")
    assert shell(services["secrets"]["command"][0], volume, programs).returncode == 0
    assert (volume / "password").read_text() == "c0ffee"
    assert len((volume / "cookie_secret").read_text()) == 64


def test_two_installations_have_different_secrets(services: dict[str, Any], tmp_path: Path, programs: Path) -> None:
    [script] = services["secrets"]["command"]
    made = set()
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        shell(script, tmp_path / name, programs)
        made |= {(tmp_path / name / secret).read_text() for secret in SECRETS}
    assert len(made) == 4


def test_a_start_that_was_cut_off_is_made_good(services: dict[str, Any], volume: Path, programs: Path) -> None:
    for name in (*SECRETS, "pg_hba.conf"):
        (volume / f"{name}.new").write_text("half")
        (volume / f"{name}.new").chmod(0o400)
    assert shell(services["secrets"]["command"][0], volume, programs).returncode == 0
    assert all(len((volume / name).read_text()) == 64 for name in SECRETS)
    assert "half" not in (volume / "pg_hba.conf").read_text()


def test_the_secrets_belong_to_the_user_of_the_image(services: dict[str, Any], volume: Path, programs: Path) -> None:
    shell(services["secrets"]["command"][0], volume, programs)
    [user] = re.findall(r"^USER (\d+):\d+$", DOCKERFILE, re.MULTILINE)
    given = (programs / "chown.log").read_text().splitlines()
    assert given == [f"{user}:{group} {name}.new" for name, group in SECRETS.items()]
    assert f"useradd --uid {user} " in DOCKERFILE


def test_the_desk_finds_its_database_with_the_password(services: dict[str, Any], volume: Path, programs: Path) -> None:
    (volume / "password").write_text("c0ffee")
    (volume / "cookie_secret").write_text("5eed")
    started = shell(services["desk"]["command"][-1], volume, programs)
    assert started.stdout == "postgresql://desk:c0ffee@db/desk 5eed  run app.py\n"
    assert services["db"]["environment"]["POSTGRES_PASSWORD_FILE"] == "/run/desk/password"


def test_what_the_desk_signs_with_may_be_chosen(services: dict[str, Any], volume: Path, programs: Path) -> None:
    (volume / "password").write_text("c0ffee")
    (volume / "cookie_secret").write_text("5eed")
    started = shell(services["desk"]["command"][-1], volume, programs, COOKIE_SECRET="mine")
    assert started.stdout.split()[1] == "mine"


@pytest.mark.parametrize("there", [[], ["password"], ["cookie_secret"]])
def test_the_desk_does_not_start_without_its_secrets(
    services: dict[str, Any], volume: Path, programs: Path, there: list[str]
) -> None:
    for name in there:
        (volume / name).write_text("c0ffee")
    started = shell(services["desk"]["command"][-1], volume, programs)
    assert started.returncode != 0
    assert started.stdout == ""


def test_the_services_start_in_the_right_order(services: dict[str, Any]) -> None:
    assert services["db"]["depends_on"] == {"secrets": {"condition": "service_completed_successfully"}}
    assert services["desk"]["depends_on"] == {"db": {"condition": "service_healthy"}}
    assert "pg_isready" in services["db"]["healthcheck"]["test"]
    assert services["db"]["image"] == services["secrets"]["image"] == "postgres:15"


def test_the_desk_is_reached_on_loopback_alone_unless_told_otherwise(services: dict[str, Any]) -> None:
    assert services["desk"]["ports"] == ["${DESK_BIND:-127.0.0.1}:${PORT:-8501}:8501"]
    assert [name for name, service in services.items() if "ports" in service] == ["desk", "proxy"]


def test_the_data_outlives_the_containers(services: dict[str, Any]) -> None:
    assert "database:/var/lib/postgresql/data" in services["db"]["volumes"]
    assert set(yaml.safe_load(COMPOSE_TEXT)["volumes"]) == {"database", "replica", "secrets"}


def test_no_secret_stands_in_the_files(services: dict[str, Any]) -> None:
    for service in services.values():
        for name, value in service.get("environment", {}).items():
            if re.search("PASSWORD|KEY|SECRET|TOKEN", name) and not name.endswith("_FILE"):
                assert value == f"${{{name}:-}}"
    assert not re.search(r"://[^\s:$]+:[^\s$]+@", COMPOSE_TEXT)
    assert not re.search("PASSWORD|KEY|SECRET|TOKEN", DOCKERFILE)
    assert all(line.endswith("=") for line in example() if not line.startswith("#"))


def test_both_servers_are_tuned_alike(services: dict[str, Any]) -> None:
    told = dict(re.findall(r"-c (\w+)=(\S+)", services["db"]["command"]))
    assert {name: value for name, value in told.items() if name in embedded.OPTIONS} == embedded.OPTIONS


def example() -> list[str]:
    return [line for line in (ROOT / ".env.example").read_text().splitlines() if line]


def test_the_example_names_every_variable_and_says_what_it_is() -> None:
    lines = example()
    named = {line.partition("=")[0] for line in lines if not line.startswith("#")}
    assert named == SETTINGS | set(re.findall(r"(?<!\$)\$\{(\w+)", COMPOSE_TEXT))
    for before, line in pairwise(lines):
        assert line.startswith("#") or before.startswith("#")


def test_compose_hands_every_setting_through(services: dict[str, Any]) -> None:
    own = {"DATABASE_URL", "DATABASE_REPLICA_URL", "DESK_DATA"}  # compose brings its own databases
    assert services["desk"]["environment"] == {name: f"${{{name}:-}}" for name in SETTINGS - own}


def test_the_image_is_small_and_runs_without_privileges(services: dict[str, Any]) -> None:
    bases = re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE)
    assert all(re.fullmatch(r"python:3\.1[1-3]-slim-\w+", base) for base in bases)
    assert DOCKERFILE.rindex("\nUSER ") > DOCKERFILE.rindex("\nFROM ")
    assert services["desk"]["cap_drop"] == ["ALL"]
    assert services["desk"]["read_only"] is True
    assert (ROOT / ".dockerignore").read_text().splitlines()[1] == "*"


def test_the_image_tells_whether_the_desk_is_well() -> None:
    assert re.search(r"^HEALTHCHECK .*\\\n +CMD \[.*http://127\.0\.0\.1:8501/api/health/live", DOCKERFILE, re.MULTILINE)


def pins(file: str) -> dict[str, Requirement]:
    lines = [line.partition("#")[0].strip() for line in (ROOT / file).read_text().splitlines()]
    found = [Requirement(line) for line in lines if line and not line.startswith("-r ")]
    assert all(re.fullmatch(r"==[\w.]+", str(pin.specifier)) for pin in found), f"{file} has a line that is not pinned"
    return {canonicalize_name(pin.name): pin for pin in found}


@pytest.mark.parametrize("file", ["requirements.txt", "requirements-dev.txt"])
def test_everything_that_is_installed_is_pinned(file: str) -> None:
    pinned = pins("requirements.txt") | pins(file)
    versions = [{"python_version": version, "python_full_version": f"{version}.0"} for version in ("3.11", "3.13")]
    for (name, pin), version in product(pinned.items(), versions):
        for needed in map(Requirement, requires(name) or ()):
            if any(not needed.marker or needed.marker.evaluate({**version, "extra": e}) for e in {"", *pin.extras}):
                if needed.name == "pip":
                    continue  # comes with the environment
                there = pinned.get(canonicalize_name(needed.name))
                assert there, f"{name} needs {needed}, which {file} does not pin"
                assert needed.specifier.contains(str(there.specifier).removeprefix("=="), prereleases=True)


def test_no_pin_is_there_twice() -> None:
    assert not pins("requirements.txt").keys() & pins("requirements-dev.txt").keys()


def test_make_explains_every_target() -> None:
    text = (ROOT / "Makefile").read_text()
    targets = re.findall(r"^([a-z]+):", text, re.MULTILINE)
    assert re.findall(r"^## ([a-z]+): ", text, re.MULTILINE) == targets
    assert {"run", "demo", "test", "check"} <= set(targets)


def test_every_server_setting_is_one_that_streamlit_knows() -> None:
    known = config._config_options_template
    for section, options in tomllib.loads((ROOT / ".streamlit/config.toml").read_text()).items():
        for name in flat(section, options):
            assert name in known


def flat(prefix: str, options: dict[str, Any]) -> list[str]:
    return [
        name
        for key, value in options.items()
        for name in (flat(f"{prefix}.{key}", value) if isinstance(value, dict) else [f"{prefix}.{key}"])
    ]


def luminance(colour: str) -> float:
    """https://www.w3.org/TR/WCAG22/#dfn-relative-luminance"""
    shares = (int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5))
    red, green, blue = (share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4 for share in shares)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    darker, lighter = sorted((luminance(one), luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


@pytest.mark.parametrize("mode", ["light", "dark"])
def test_text_can_be_read_in_both_themes(mode: str) -> None:
    theme = THEME[mode]
    surfaces = {theme["backgroundColor"], theme["secondaryBackgroundColor"], *theme["sidebar"].values()}
    for surface in surfaces:
        assert contrast(theme["textColor"], surface) >= 4.5
        assert contrast(theme["linkColor"], surface) >= 4.5
    assert contrast("#ffffff", theme["primaryColor"]) >= 4.5


@pytest.mark.parametrize("mode", ["light", "dark"])
def test_the_colours_of_charts_stand_out(mode: str) -> None:
    theme = THEME[mode]
    assert all(contrast(colour, theme["backgroundColor"]) >= 3 for colour in theme["chartCategoricalColors"])
    assert len(theme["chartSequentialColors"]) == len(theme["chartDivergingColors"]) == 10
