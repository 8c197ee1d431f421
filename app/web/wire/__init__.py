"""Connections and bytes: what of a request is read, for whom, and for how long."""
