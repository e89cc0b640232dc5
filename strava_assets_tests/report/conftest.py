"""The views' database: the report is made from it."""

from strava_assets_tests.views.conftest import engine

__all__ = ["engine"]
