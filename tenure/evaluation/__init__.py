"""Measure what the product promises: how well drops are found, and how fast days are sealed."""
