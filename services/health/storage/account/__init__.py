"""Accounts, and what other services say of them."""
