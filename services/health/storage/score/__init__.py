"""Scores: current, past, and what they are compared with."""
