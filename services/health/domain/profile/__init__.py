"""The versioned configuration that decides how accounts are judged, and reading it."""
