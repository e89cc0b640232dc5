"""What this room needs to know of an API application. `settings.Settings` is one; so is any object with these names."""

from typing import Protocol


class StravaConfig(Protocol):
    """An API application, and where its API answers."""

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

    def require_application(self) -> None:
        """Raise ConfigurationError unless id and secret are set."""
