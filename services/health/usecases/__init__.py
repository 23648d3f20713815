"""What health does: load, decide, save, emit."""
