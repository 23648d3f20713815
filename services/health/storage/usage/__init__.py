"""Usage: its counts, its ids, its raw events, and what could not be counted."""
