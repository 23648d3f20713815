"""Risks: found, ranked, and what people do about them."""
