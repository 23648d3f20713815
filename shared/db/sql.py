"""SQL that is written as text, taken apart once."""

from functools import lru_cache

from sqlalchemy import TextClause, text


@lru_cache(maxsize=1024)
def statement(sql: str) -> TextClause:
    """Return SQL as a statement that can be executed, its parameters written as ``:name``.

    Looking for the parameters takes as long as sending a small statement; few texts are ever sent.
    """
    return text(sql)
