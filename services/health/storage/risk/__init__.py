"""Risks, the list of accounts at risk, and what people think."""
