"""Outside systems: mail servers, webhook receivers, and the files that people edit.

Real receivers for tests and the demo are in ``tenure.demo.receivers``.
"""
