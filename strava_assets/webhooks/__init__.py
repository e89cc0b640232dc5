"""Strava's webhook events: received, kept, and turned into hours to fetch."""
