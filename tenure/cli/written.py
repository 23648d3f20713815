"""Files that people write, as commands are given them."""

from pathlib import Path


def path_of(file: str | Path) -> Path:
    """Return where to read a file from; ``-`` is standard input."""
    return Path("/dev/stdin") if str(file) == "-" else Path(file)
