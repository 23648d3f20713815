"""Metrics: measured day by day, and for the days before they were defined."""
