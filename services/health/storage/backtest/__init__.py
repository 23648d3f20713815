"""Back-tests, and the past that they replay."""
