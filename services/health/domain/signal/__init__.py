"""Signals: what types there are, what their values mean, and which sender's event is which."""
