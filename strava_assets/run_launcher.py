"""The old name of `instance.run_launcher`, for a dagster.yaml of version 0.1; gone in 0.3."""

import warnings

from strava_assets.instance.run_launcher import HealthCheckingRunLauncher

__all__ = ["HealthCheckingRunLauncher"]

warnings.warn(
    "dagster.yaml names strava_assets.run_launcher; write strava_assets.instance.run_launcher.",
    FutureWarning,
    stacklevel=2,
)
