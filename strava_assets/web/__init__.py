"""Dagster's web server, answering only its owner's browser and programs on this machine.

Dagster's own server believes whatever reaches it. `guard` decides which requests are let through, `server` is the
stock `dagster-webserver` command with the guard before it. Not here: Dagster's pages themselves, and logins.
"""
