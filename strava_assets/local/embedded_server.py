"""What the embedded servers have in common: a folder, a process, the settings that lead to them."""

from abc import ABC, abstractmethod
from pathlib import Path
from types import TracebackType
from typing import Self

from strava_assets.errors import ConfigurationError
from strava_assets.local.machine import unusable_path
from strava_assets.local.server_process import ServerProcess


class EmbeddedServer(ABC):
    """A real server with its data in one folder; a context manager that runs it. Data survives a restart."""

    def __init__(self, folder: Path, process: ServerProcess) -> None:
        self.folder = folder
        self.process = process

    @property
    def settings(self) -> dict[str, str]:
        """The environment variables that lead to the running server."""
        return {}

    @abstractmethod
    def _run(self) -> None:
        """Start the server in its folder, which is ours by now, and return when it answers."""

    def start(self) -> None:
        """Start the server and return when it answers.

        Raises ConfigurationError if it cannot be run here or the folder is in use, ServiceUnavailable if it does not
        start.
        """
        if reason := unusable_path(self.folder):
            raise ConfigurationError(reason)
        self.process.acquire_folder()
        try:
            self._run()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stop the server if it runs. Data stays."""
        self.process.stop()
        self.process.release_folder()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()
