"""Files that people write: found, and read with the place of every mistake."""
