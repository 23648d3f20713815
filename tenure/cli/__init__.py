"""The ``tenure`` command: one module for each group of commands."""

import os

# Our matrices are small: threads of the linear-algebra library only wait for each other. It reads
# this when numpy is first imported, which the modules of this package do.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
