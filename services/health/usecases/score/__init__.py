"""Scores: computed, compared, explained, charted."""
