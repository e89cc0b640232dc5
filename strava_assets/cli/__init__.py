"""The `strava-assets` command: one file per command, and what several of them share."""
