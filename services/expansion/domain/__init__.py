"""Entitlements, utilisation, holds and opportunities: plain and frozen."""
