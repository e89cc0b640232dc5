"""One setting's value, read from the environment, trimmed and checked: the same for commands and for Dagster.

Each function names the variable in what it raises, and repeats a value only where it cannot hold a secret.
"""

import math
import re
from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Any
from urllib.parse import urlsplit

import psycopg2.extensions
from redis import ConnectionPool
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from strava_assets.errors import ConfigurationError

EARLIEST_START = date(1970, 1, 1)
"""Strava lists by seconds since then, so nothing earlier can be asked for."""

_LAST_PORT = 65535
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,61}[A-Za-z0-9]")
_REGION = re.compile(r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?")
_PREFIX = re.compile(r"[^\\{^}%`\]\"><\[~#|*?\x00-\x1f\x7f]*")
_HOST = re.compile(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?(:[0-9]{1,5})?")


class Environment:
    """Environment variables, each with its default and the older name it may be set under."""

    def __init__(self, variables: Mapping[str, str], defaults: Mapping[str, str], old_names: Mapping[str, str]) -> None:
        self._variables = variables
        self._defaults = defaults
        self._old_names = old_names

    def first_set(self, *names: str) -> str:
        """The trimmed value of the first of these variables that is set; empty if none is."""
        for name in names:
            if value := self._variables.get(name, "").strip():
                if _CONTROL.search(value):
                    raise ConfigurationError(f"{name} has a line break or another control character in its value.")
                return value
        return ""

    def text(self, name: str) -> str:
        """The trimmed value of a variable, or of its old name, or its default."""
        return self.first_set(name, self._old_names.get(name, name)) or self._defaults[name]

    def choice(self, name: str, *choices: str) -> str:
        """One of some words."""
        value = self.text(name)
        if value not in choices:
            raise ConfigurationError(f"{name} is {_shown(value)}; it must be {' or '.join(choices)}.")
        return value

    def number(self, name: str, *, low: float, high: float) -> float:
        """A number within bounds, both included."""
        value = self.text(name)
        try:
            number = float(value)
        except ValueError:
            number = math.nan
        if not low <= number <= high:
            raise ConfigurationError(f"{name} is {_shown(value)}; it must be a number from {low:g} to {high:g}.")
        return number

    def start_of_day(self, name: str, now: datetime) -> datetime:
        """Midnight UTC of a date between 1970 and today."""
        value = self.text(name)
        try:
            day = date.fromisoformat(value)
        except ValueError:
            raise ConfigurationError(
                f"{name} is {_shown(value)}, which is not a date. Write it like 2024-01-01."
            ) from None
        if day < EARLIEST_START:
            raise ConfigurationError(f"{name} is {value}; Strava lists no activity before {EARLIEST_START}.")
        start = datetime(day.year, day.month, day.day, tzinfo=UTC)
        if start > now:
            raise ConfigurationError(
                f"{name} is {value}, which lies in the future. Give the date of your first activity."
            )
        return start

    def web_url(self, name: str, example: str) -> str:
        """The URL of a web server, without a slash at its end."""
        value = self.text(name) if name in self._defaults else self.first_set(name)
        wrong = (
            f"{name} is not the URL of a web server"
            if "@" in value
            else f"{name} is {_shown(value)}, not the URL of a web server"
        )
        try:
            parts = urlsplit(value)
            is_url = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0
        except ValueError:
            is_url = False
        if not is_url or not value.isascii() or re.search(r"[\s\\\[\]<>\"{}|^`?#]", _without_ipv6(value)):
            raise ConfigurationError(f"{wrong}. Write it like {example}.")
        if parts.username is not None:
            raise ConfigurationError(f"{name} holds a user name, which would show in messages. Take it out of the URL.")
        return value.rstrip("/")

    def host_names(self, name: str) -> frozenset[str]:
        """Names separated by commas."""
        hosts = [host.strip().lower() for host in self.text(name).split(",") if host.strip()]
        for number, host in enumerate(hosts, start=1):
            if not _HOST.fullmatch(host):
                # Not shown: a URL may hold a password.
                raise ConfigurationError(
                    f"{name}: name {number} of {len(hosts)} is none. Write names, like dagster.example.org, no URLs."
                )
        return frozenset(hosts)

    def bucket(self, name: str) -> str:
        """The name of a bucket."""
        value = self.text(name)
        if not _BUCKET.fullmatch(value):
            raise ConfigurationError(
                f"{name} is {_shown(value)}; a bucket's name has 3 to 63 letters, digits, dots and hyphens."
            )
        return value

    def object_prefix(self, name: str) -> str:
        """The folder of objects, without slashes around it; every S3 client spells such keys alike."""
        value = self.text(name).strip("/")
        if not _PREFIX.fullmatch(value) or any(part in {"", ".", ".."} for part in value.split("/") if value):
            raise ConfigurationError(
                f"{name} is {_shown(value)}; write names with slashes between them, like strava/raw, without . and .. "
                'and without any of \\ { } ^ % ` [ ] " < > ~ # | * ?'
            )
        return value

    def region(self, *names: str) -> str:
        """The name of a region, from the first of these variables; empty where none is set."""
        value = self.first_set(*names)
        if value and not _REGION.fullmatch(value):
            raise ConfigurationError(f"{names[0]} is {_shown(value)}, which is not a region. Write it like us-east-1.")
        return value

    def key_pair(self, id_name: str, secret_name: str) -> tuple[str, str]:
        """A key and its secret: both, or neither."""
        pair = self.first_set(id_name), self.first_set(secret_name)
        if bool(pair[0]) != bool(pair[1]):
            there, lacking = (id_name, secret_name) if pair[0] else (secret_name, id_name)
            raise ConfigurationError(f"{there} is set, but {lacking} is not. Set both, or neither to use a profile.")
        return pair

    def redis_url(self, name: str) -> str:
        """A URL that redis-py takes, options included."""
        value = self.text(name)
        try:
            ConnectionPool.from_url(value).make_connection()  # connects to nothing
        except (ValueError, TypeError):
            # The value may hold a password, so it is not repeated.
            raise ConfigurationError(
                f"{name} is not a Redis URL. Write it like redis://localhost:6379/0 or unix:///run/redis.sock."
            ) from None
        return value

    def database_url(self, name: str) -> URL:
        """A URL whose scheme names psycopg2, whichever of the usual spellings was pasted.

        SQLAlchemy 2.1 reads a bare `postgresql://` as psycopg 3, which dagster-postgres cannot use, and does
        not know `postgres://` at all.
        """
        example = f"Write it like {self._defaults['DATABASE_URL']}."
        try:
            url = make_url(self.text(name))
        except (ArgumentError, ValueError):
            # The value may hold a password, so it is not repeated.
            raise ConfigurationError(f"{name} is not a database URL. {example}") from None
        if url.drivername.split("+")[0] not in {"postgres", "postgresql"}:
            raise ConfigurationError(f"{name} has the scheme {url.drivername}; only postgresql is supported.")
        url = _without_repetition(url.set(drivername="postgresql+psycopg2"))
        if not url.database:
            raise ConfigurationError(f"{name} names no database. {example}")
        if url.port is not None and not 0 < url.port <= _LAST_PORT:
            raise ConfigurationError(f"{name} has the port {url.port}; ports end at {_LAST_PORT}. {example}")
        try:
            connection_info(url)
        except (ArgumentError, ValueError, TypeError, psycopg2.Error) as error:
            raise ConfigurationError(
                f"{name} has an option that Postgres does not know ({_first_line(error)})."
            ) from None
        return url


def connection_info(url: URL) -> dict[str, Any]:
    """What a database URL says in libpq's own words, as SQLAlchemy hands it to psycopg2.

    Raises what SQLAlchemy and psycopg2 do for a URL that neither understands.
    """
    _, words = url.get_dialect()().create_connect_args(url)
    psycopg2.extensions.make_dsn(**words)
    return dict(words)


def _without_repetition(url: URL) -> URL:
    """The URL with what its query says of user, password and database where these are looked for."""
    named = {word: value for word in ("user", "password", "dbname") if isinstance(value := url.query.get(word), str)}
    return url.difference_update_query(named).set(
        username=named.get("user"), password=named.get("password"), database=named.get("dbname")
    )


def _without_ipv6(url: str) -> str:
    return re.sub(r"//\[[0-9a-fA-F:.]+\]", "//", url)


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0][:200]


def _shown(value: str) -> str:
    """The value, but not the login in a URL that was put here by mistake, nor any length."""
    return repr(re.sub(r"//[^/]*@", "//...@", value)[:100])
