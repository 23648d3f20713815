"""The invariants of design 3, each judged by what was found."""
