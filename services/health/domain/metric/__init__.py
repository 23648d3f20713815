"""Metrics: what the usage of a window of days amounts to."""
