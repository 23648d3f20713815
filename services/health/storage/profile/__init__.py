"""Profiles, and how far a change of them has come."""
