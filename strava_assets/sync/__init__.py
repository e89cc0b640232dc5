"""What is done between Strava, the raw objects and the table, without Dagster."""
