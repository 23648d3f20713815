"""The ``tenure`` command: one module for each group of commands."""
