"""Puts the kill points into every Python process that a test starts with this folder on PYTHONPATH."""

import os
from pathlib import Path

from strava_assets_tests.kill_points import install

install(Path(os.environ["KILL_POINTS"]))
