"""``python -m tenure.docgen [--check | --golden]``."""

import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence

from tenure.docgen import documents
from tenure.docgen.readme import NoMarkers


def main(arguments: Sequence[str] | None = None) -> int:
    """Generate the documents, or check them; return the exit code."""
    chosen = _parse(arguments)
    if chosen.check:
        found = documents.stale()
        _say(found)
        return 1 if found else 0
    try:
        _say(documents.write_goldens() if chosen.golden else documents.write())
    except (NoMarkers, documents.BrokenPromise) as error:
        sys.stderr.write(f"{error.detail}\n")
        return 1
    return 0


def _parse(arguments: Sequence[str] | None) -> Namespace:
    parser = ArgumentParser(prog="python -m tenure.docgen", description="Generate the documents.")
    mode = parser.add_mutually_exclusive_group()
    mode.add_argument("--check", action="store_true", help="only tell what is stale; then exit 1")
    mode.add_argument(
        "--golden", action="store_true", help="accept what event types gained as golden schemas"
    )
    return parser.parse_args(arguments)


def _say(lines: Sequence[str]) -> None:
    for line in lines:
        sys.stdout.write(f"{line}\n")


if __name__ == "__main__":
    sys.exit(main())
