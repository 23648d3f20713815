"""Benchmarks: how fast Tenure is against what else a person could do, on one machine, in one run.

`python -m benchmarks --help`, or `make bench`. docs/performance.md says what each figure means.
"""
