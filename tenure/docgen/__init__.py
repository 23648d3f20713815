"""Reference documents made from the code: events, AsyncAPI, OpenAPI, golden schemas.

`python -m tenure.docgen` writes them, `--check` tells which are stale, `--golden` accepts what the
contracts of events gained. The same code always gives the same bytes.
"""
