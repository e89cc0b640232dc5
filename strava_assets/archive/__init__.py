"""Strava's bulk export: what is in it, and how it becomes rows. Knows neither Dagster nor Strava's API.

What an export looks like, and which rules it is read by: docs/archive.md.
"""
