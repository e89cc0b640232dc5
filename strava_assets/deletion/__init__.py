"""Deletion of all of an athlete (purge) and by age (retention)."""
