"""Usage: taken in, read, counted exactly once, and proved."""
