"""What this room needs to know of an API application. `settings.Settings` is one; so is any object with these names."""

from typing import Protocol


class StravaConfig(Protocol):
    """An API application, where its API answers, and where its tokens and request budget are kept."""

    @property
    def client_id(self) -> str:
        """The application's id."""

    @property
    def client_secret(self) -> str:
        """The application's secret."""

    @property
    def base_url(self) -> str:
        """Base URL of the OAuth endpoints, without a slash at its end."""

    @property
    def api_url(self) -> str:
        """Base URL of the API, without a slash at its end."""

    @property
    def allow_plain_http(self) -> bool:
        """Whether tokens may travel over plain http to another machine, for a simulation."""

    @property
    def redis_url(self) -> str:
        """The Redis of tokens and budget."""

    @property
    def budget_reserve(self) -> float:
        """The share of each rate limit that only the hourly run may use, from 0 to 0.9."""

    def require_application(self) -> None:
        """Raise ConfigurationError unless id and secret are set."""
