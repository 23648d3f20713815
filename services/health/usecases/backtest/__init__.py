"""Back-tests: asked for, calculated, reported."""
