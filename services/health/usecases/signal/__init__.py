"""Signals: recorded, from whoever sends them."""
