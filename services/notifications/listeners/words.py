"""Small words and figures that many messages share."""

from datetime import datetime

from shared.db.transaction import Transaction


def words(name: str) -> str:
    """Return the name of a reason as words."""
    return name.replace("_", " ").replace(".", " ")


def heard_at(tx: Transaction) -> datetime:
    """Return when what is heard happened."""
    return tx.cause.time if tx.cause else tx.now
