"""The real servers, started from Python wheels, for a machine that has nothing but Python.

One file per server; each keeps its data in one folder and listens on loopback or a Unix socket only.
Imported by the command line and by the tests, by nothing else.
"""
