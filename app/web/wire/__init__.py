"""Connections and bytes: which parts of a request are read, for whom, and for how long."""
