"""An athlete's Strava history as Dagster assets: raw JSON in S3, an exact mirror in Postgres.

For another code location: `build_definitions(Settings.from_environment(), ...)`.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from strava_assets.defs.build import build_definitions
    from strava_assets.settings import Settings

__all__ = ["Settings", "build_definitions"]


def __getattr__(name: str) -> Any:  # noqa: ANN401 - whichever of the two
    # Imported when they are used: Dagster costs a second, which commands without it need not pay.
    if name == "build_definitions":
        from strava_assets.defs.build import build_definitions  # noqa: PLC0415

        return build_definitions
    if name == "Settings":
        from strava_assets.settings import Settings  # noqa: PLC0415

        return Settings
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
