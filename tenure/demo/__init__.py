"""The demo product: what it plays, and what receives the messages."""
