"""Replay: past usage from a file, on the same road as live events."""
