"""The baseline of `cold_hour`."""
