"""``python -m tenure`` is ``tenure``."""

from tenure.cli.app import main

main()
