"""`python -m strava_assets` is the command `strava-assets`."""

from strava_assets.cli.main import main

main(prog_name="strava-assets")
