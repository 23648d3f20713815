"""Product backends as customers write them: scripts that know Tenure's address and nothing else.

Each reads a day a line on stdin, ``{"groups": [...], "events": [...]}``, sends it, and answers with
a line on stdout once everything is acknowledged: ``{"failures": [...]}``.
"""
