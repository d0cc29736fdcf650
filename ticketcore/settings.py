"""Every environment variable the desk reads, once, into a frozen `Settings`.

A value that cannot be used stops the start with one line that names its variable. Secrets are
held as `SecretStr`, so they show as `**********` wherever they are printed.
"""

import os
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, available_timezones

from pydantic import BaseModel, ConfigDict, Field, HttpUrl, SecretStr, ValidationError, field_validator, model_validator

from ticketcore.access import Rule, rules
from ticketcore.definitions import STANDARD, own
from ticketcore.errors import StartUpError


def pairs(text: str, wanted: str = "priorities with their hours, as in critical=4,high=24") -> dict[str, str]:
    """`critical=4,high=24` as a dictionary; `wanted` says what it should hold."""
    parts = [pair.partition("=") for pair in text.split(",")]
    names = [name.strip() for name, *_ in parts]
    if not all(separator for _, separator, _ in parts) or len(set(names)) < len(names):
        raise ValueError(f"must name {wanted}, each once and with commas between them")
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

    database_replica_url: SecretStr | None = Field(None, alias="DATABASE_REPLICA_URL")
    """Where a streaming replica of it is; stats and exports are read there while it has all that is committed."""

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

    suggestion_redact: bool = Field(True, alias="SUGGESTION_REDACT")
    """Whether e-mail addresses, card and telephone numbers and keys are masked in what the model is sent."""

    suggestion_shadow: Literal["0", "1", "model"] = Field("0", alias="SUGGESTION_SHADOW")
    """Whose second opinion is kept silently, to be compared: that of the next in the chain (`1`), or the language
    model's beside what the desk itself suggests (`model`)."""

    suggestion_learn: bool = Field(True, alias="SUGGESTION_LEARN")
    """Whether the desk learns by itself, whenever it has grown by a tenth."""

    definitions: dict[str, str] = Field(STANDARD, alias="DESK_CATEGORIES_HELP")
    """What each category and priority means: `billing=invoices, refunds; critical=production stands still`."""

    is_open: bool = Field(False, alias="DESK_OPEN")
    """Whether a desk without sign-in answers everybody, and not this machine alone."""

    oidc_issuer: HttpUrl | None = Field(None, alias="OIDC_ISSUER")
    """The OpenID provider at which people sign in; without one nobody has to."""

    oidc_client_id: str | None = Field(None, alias="OIDC_CLIENT_ID")
    oidc_client_secret: SecretStr | None = Field(None, alias="OIDC_CLIENT_SECRET")
    oidc_redirect_url: HttpUrl | None = Field(None, alias="OIDC_REDIRECT_URL")
    """The desk's address as browsers know it, with the path `/oauth2callback`."""

    oidc_scope: str = Field("openid email profile", alias="OIDC_SCOPE")
    """What the provider is asked for; some tell groups only for a scope of their own."""

    trusts_addresses: bool = Field(False, alias="OIDC_TRUST_EMAIL")
    """Whether an address counts of which the provider does not say that it has verified it."""

    session_hours: float = Field(12, alias="OIDC_SESSION_HOURS", gt=0, le=720)
    """Hours after which whoever signed in has to do it again."""

    cookie_secret: SecretStr | None = Field(None, alias="COOKIE_SECRET")
    """What sessions and links are signed with; the same in every process of the desk."""

    roles: tuple[Rule, ...] = Field((), alias="DESK_ROLES")
    """Who has which role: `@example.org=agent,ann@example.org=lead,group:audit=viewer`."""

    rate_create: int = Field(1_200, alias="DESK_RATE_CREATE", ge=0)
    """Tickets that one caller may file over the API in a minute; 0 for no limit."""

    rate_classify: int = Field(120, alias="DESK_RATE_CLASSIFY", ge=0)
    """Suggestions that one caller may ask for over the API in a minute; 0 for no limit."""

    @property
    def has_sign_in(self) -> bool:
        """Whether people have to sign in."""
        return self.oidc_issuer is not None

    @field_validator("roles", mode="before")
    @classmethod
    def _are_rules(cls, text: object) -> object:
        return (
            rules(pairs(text, "addresses, domains or groups with their roles, as in @example.org=agent").items())
            if isinstance(text, str)
            else text
        )

    @field_validator("cookie_secret")
    @classmethod
    def _is_long(cls, secret: SecretStr | None) -> SecretStr | None:
        if secret and len(secret.get_secret_value()) < 32:
            raise ValueError("must have at least 32 characters, as from `openssl rand -hex 32`")
        return secret

    @field_validator("oidc_redirect_url")
    @classmethod
    def _is_callback(cls, url: HttpUrl | None) -> HttpUrl | None:
        if url and url.path != "/oauth2callback":
            raise ValueError("must end in /oauth2callback, as in https://desk.example.org/oauth2callback")
        return url

    @model_validator(mode="after")
    def _sign_in_is_whole(self) -> Self:
        parts = {
            "OIDC_ISSUER": self.oidc_issuer, "OIDC_CLIENT_ID": self.oidc_client_id,
            "OIDC_CLIENT_SECRET": self.oidc_client_secret, "OIDC_REDIRECT_URL": self.oidc_redirect_url,
        }  # fmt: skip
        if any(parts.values()):
            wanted = {**parts, "COOKIE_SECRET": self.cookie_secret, "DESK_ROLES": self.roles}
            missing = [name for name, value in wanted.items() if not value]
            if missing:
                raise ValueError(f"sign-in also needs {', '.join(missing)}")
            if self.is_open:
                raise ValueError("a desk with sign-in cannot be open to everybody as well: unset DESK_OPEN or OIDC_…")
        return self

    @model_validator(mode="after")
    def _replica_has_a_primary(self) -> Self:
        if self.database_replica_url and not self.database_url:
            raise ValueError("DATABASE_REPLICA_URL needs DATABASE_URL: the embedded PostgreSQL has no replica")
        return self

    @field_validator("definitions", mode="before")
    @classmethod
    def _are_definitions(cls, text: object) -> object:
        return own(text) if isinstance(text, str) else text

    @field_validator("target_hours", mode="before")
    @classmethod
    def _are_pairs(cls, text: object) -> object:
        return pairs(text) if isinstance(text, str) else text

    @field_validator("database_url", "database_replica_url")
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
        faults = (
            ": ".join([*map(str, fault["loc"][:1]), fault["msg"].removeprefix("Value error, ")])
            for fault in error.errors()
        )
        raise StartUpError("; ".join(faults)) from None
