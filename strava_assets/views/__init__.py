"""The schema `strava_analytics`: plain SQL views over `strava_activity`, one file a view in `sql/`."""
