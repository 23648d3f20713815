"""Signals, and whose they are."""
