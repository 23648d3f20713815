"""Contracts, renewals, their probability, windows and saves: plain and frozen."""
