"""An athlete's Strava history as Dagster assets: raw JSON in S3, an exact mirror in Postgres."""
