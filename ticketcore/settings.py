"""Every environment variable the desk reads, once, into a frozen `Settings`.

A value that cannot be used stops the start with one line that names its variable. Secrets are
held as `SecretStr`, so they show as `**********` wherever they are printed.
"""

import os
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, available_timezones

from pydantic import BaseModel, ConfigDict, Field, HttpUrl, SecretStr, ValidationError, field_validator

from ticketcore.errors import StartUpError


def pairs(text: str) -> dict[str, str]:
    """`critical=4,high=24` as a dictionary."""
    parts = [pair.partition("=") for pair in text.split(",")]
    names = [name.strip() for name, *_ in parts]
    if not all(separator for _, separator, _ in parts) or len(set(names)) < len(names):
        raise ValueError("must name each priority once with its hours, as in critical=4,high=24,medium=72,low=168")
    return {name: value.strip() for name, (_, _, value) in zip(names, parts, strict=True)}


@lru_cache(maxsize=256)  # to look for all zones takes 5 ms
def zone_name(name: str) -> str:
    """The name, if Python and PostgreSQL mean the same zone by it."""
    # PostgreSQL takes CET and the like for abbreviations that know no summer; names of places are safe.
    if name != "UTC" and ("/" not in name or name not in available_timezones()):
        raise ValueError("must be UTC or an IANA time zone such as Europe/Berlin")
    return name


class Settings(BaseModel):
    """What the environment says, validated. An empty variable counts as not set."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    database_url: SecretStr | None = Field(None, alias="DATABASE_URL")
    """Where PostgreSQL is, `postgresql://user:password@host/name`; without it the embedded server is used."""

    data_folder: Path = Field(Path("data"), alias="DESK_DATA")
    """The folder in which the embedded server keeps its files."""

    timezone: ZoneInfo = Field(ZoneInfo("UTC"), alias="DESK_TIMEZONE")
    """The IANA zone that decides where a day begins, in every figure and date filter."""

    openai_api_key: SecretStr | None = Field(None, alias="OPENAI_API_KEY")
    """Without a key no model is asked and every suggestion is the default."""

    openai_base_url: HttpUrl | None = Field(None, alias="OPENAI_BASE_URL")
    """Another OpenAI-compatible endpoint: Ollama, vLLM, Azure."""

    openai_model: str = Field("gpt-4.1-mini", alias="OPENAI_MODEL")
    """The model that suggests."""

    suggestion_timeout: float = Field(8.0, alias="SUGGESTION_TIMEOUT", gt=0, le=120)
    """Seconds after which a suggestion is given up, retries included."""

    target_hours: dict[Literal["low", "medium", "high", "critical"], Annotated[float, Field(gt=0, le=100_000)]] = Field(
        {"critical": 4, "high": 24, "medium": 72, "low": 168}, alias="DESK_TARGET_HOURS"
    )
    """Hours of the clock within which a ticket of each priority is to be resolved: `critical=4,high=24`."""

    @field_validator("target_hours", mode="before")
    @classmethod
    def _are_pairs(cls, text: object) -> object:
        return pairs(text) if isinstance(text, str) else text

    @field_validator("database_url")
    @classmethod
    def _is_postgresql(cls, url: SecretStr | None) -> SecretStr | None:
        if url and not url.get_secret_value().startswith(("postgresql://", "postgres://", "postgresql+psycopg2://")):
            raise ValueError("must begin with postgresql://")
        try:
            _ = urlsplit(url.get_secret_value()).port if url else None
        except ValueError:
            raise ValueError(
                "must name its port by a number, as in postgresql://user:password@host:5432/name"
            ) from None
        return url

    @field_validator("timezone", mode="before")
    @classmethod
    def _is_zone(cls, name: object) -> object:
        return ZoneInfo(zone_name(name)) if isinstance(name, str) else name


def read(environment: Mapping[str, str] = os.environ) -> Settings:
    """The settings that `environment` holds.

    Raises:
        StartUpError: names each variable whose value cannot be used, and never shows the value.
    """
    try:
        return Settings.model_validate({name: value for name, value in environment.items() if value.strip()})
    except ValidationError as error:
        faults = (f"{fault['loc'][0]}: {fault['msg'].removeprefix('Value error, ')}" for fault in error.errors())
        raise StartUpError("; ".join(faults)) from None
