"""The embedded servers of a machine that has nothing but Python: one file each."""
