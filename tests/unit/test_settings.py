"""Each environment variable is read and checked; one that cannot be used is named, and its value never shown."""

import traceback
from pathlib import Path

import pytest
from pydantic import SecretStr, ValidationError

from ticketcore import settings
from ticketcore.errors import StartUpError

PASSWORD = "hunter2-the-password"
KEY = "sk-a-key-that-nobody-may-see"


def refused(environment: dict[str, str]) -> StartUpError:
    with pytest.raises(StartUpError) as caught:
        settings.read(environment)
    return caught.value


def test_an_empty_environment_gives_a_desk_that_needs_nothing() -> None:
    chosen = settings.read({})
    assert chosen.database_url is None
    assert chosen.data_folder == Path("data")
    assert chosen.timezone.key == "UTC"
    assert chosen.openai_api_key is None
    assert chosen.openai_base_url is None
    assert chosen.openai_model.startswith("gpt-4")
    assert chosen.suggestion_timeout == 8


@pytest.mark.parametrize("scheme", ["postgresql", "postgres", "postgresql+psycopg2"])
def test_the_database_may_be_named_with_any_of_postgresqls_schemes(scheme: str) -> None:
    url = f"{scheme}://agent:{PASSWORD}@db:5432/desk"
    chosen = settings.read({"DATABASE_URL": url})
    assert isinstance(chosen.database_url, SecretStr)
    assert chosen.database_url.get_secret_value() == url


def test_every_variable_is_read() -> None:
    chosen = settings.read(
        {
            "DESK_DATA": "/srv/desk",
            "DESK_TIMEZONE": "Europe/Berlin",
            "OPENAI_API_KEY": KEY,
            "OPENAI_BASE_URL": "http://localhost:11434/v1",
            "OPENAI_MODEL": "llama3",
            "SUGGESTION_TIMEOUT": "2.5",
        }
    )
    assert chosen.data_folder == Path("/srv/desk")
    assert chosen.timezone.key == "Europe/Berlin"
    assert chosen.openai_api_key is not None
    assert chosen.openai_api_key.get_secret_value() == KEY
    assert str(chosen.openai_base_url) == "http://localhost:11434/v1"
    assert chosen.openai_model == "llama3"
    assert chosen.suggestion_timeout == 2.5


@pytest.mark.parametrize("nothing", ["", " ", "\t\n"])
def test_an_empty_variable_counts_as_not_set(nothing: str) -> None:
    names = (
        "DATABASE_URL",
        "DESK_DATA",
        "DESK_TIMEZONE",
        "DESK_TARGET_HOURS",
        "OPENAI_API_KEY",
        "OPENAI_BASE_URL",
        "OPENAI_MODEL",
        "SUGGESTION_TIMEOUT",
    )
    assert settings.read(dict.fromkeys(names, nothing)) == settings.read({})


def test_targets_are_hours_by_priority() -> None:
    chosen = settings.read({"DESK_TARGET_HOURS": " high = 8 ,critical=1.5"})
    assert chosen.target_hours == {"high": 8.0, "critical": 1.5}


def test_variables_of_other_programs_do_not_matter() -> None:
    assert settings.read({"PATH": "/bin", "database_url": "mysql://", "timezone": "Mars"}) == settings.read({})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DATABASE_URL", f"mysql://root:{PASSWORD}@db/desk"),
        ("DATABASE_URL", PASSWORD),
        ("DATABASE_URL", f"sqlite:///{PASSWORD}"),
        ("DATABASE_URL", f"postgresql://agent:{PASSWORD}@db:port/desk"),
        ("DATABASE_URL", f"postgresql+asyncpg://agent:{PASSWORD}@db/desk"),
        ("DATABASE_REPLICA_URL", f"mysql://root:{PASSWORD}@db/desk"),
        ("DATABASE_REPLICA_URL", f"postgresql://agent:{PASSWORD}@db:port/desk"),
        ("DESK_TIMEZONE", "Mars/Olympus"),
        ("DESK_TIMEZONE", "../../etc/passwd"),
        ("DESK_TIMEZONE", "/etc/localtime"),
        ("DESK_TIMEZONE", "America"),
        ("DESK_TIMEZONE", "+02:00"),
        ("OPENAI_BASE_URL", "localhost 11434"),
        ("OPENAI_BASE_URL", "ftp://models.example"),
        ("DESK_TARGET_HOURS", "soon=x"),
        ("DESK_TARGET_HOURS", "urgent4"),
        ("DESK_TARGET_HOURS", "high=4,high=5"),
        ("DESK_TARGET_HOURS", "urgent=4"),
        ("DESK_TARGET_HOURS", "high=0"),
        ("DESK_TARGET_HOURS", "high=-4.25"),
        ("SUGGESTION_TIMEOUT", "soon"),
        ("SUGGESTION_TIMEOUT", "-3.25"),
        ("SUGGESTION_TIMEOUT", "0.0"),
        ("SUGGESTION_TIMEOUT", "120.5"),
        ("SUGGESTION_TIMEOUT", "nan"),
        ("SUGGESTION_TIMEOUT", "inf"),
    ],
)
def test_a_value_that_cannot_be_used_is_named_in_one_line_and_not_shown(name: str, value: str) -> None:
    error = refused({name: value})
    assert name in str(error)
    assert value not in str(error)
    assert len(str(error).splitlines()) == 1
    assert PASSWORD not in "".join(traceback.format_exception(error))


def test_all_bad_variables_are_named_at_once() -> None:
    message = str(refused({"DATABASE_URL": "x://", "DESK_TIMEZONE": "Mars", "SUGGESTION_TIMEOUT": "soon"}))
    assert all(name in message for name in ("DATABASE_URL", "DESK_TIMEZONE", "SUGGESTION_TIMEOUT"))
    assert len(message.splitlines()) == 1


def test_secrets_do_not_show_wherever_settings_are_printed() -> None:
    chosen = settings.read({"DATABASE_URL": f"postgresql://agent:{PASSWORD}@db/desk", "OPENAI_API_KEY": KEY})
    for shown in (repr(chosen), str(chosen), str(chosen.model_dump()), chosen.model_dump_json(), f"{chosen!s:>2000}"):
        assert PASSWORD not in shown
        assert KEY not in shown


def test_settings_do_not_change_once_read() -> None:
    chosen = settings.read({})
    with pytest.raises(ValidationError, match="frozen"):
        chosen.openai_model = "another"
