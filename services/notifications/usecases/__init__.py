"""What notifications does: load, decide, save, emit."""
