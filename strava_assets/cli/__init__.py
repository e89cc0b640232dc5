"""The `strava-assets` command: one file per command."""
