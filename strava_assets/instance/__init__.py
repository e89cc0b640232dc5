"""Dagster's own storage and launcher: the only place that uses private names of Dagster."""
