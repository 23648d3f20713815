"""Metrics: values, sums of properties, and how far their history is filled."""
