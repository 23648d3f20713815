"""Renew: contracts and their terms, renewals, and the saves of those at risk.

*Owns* contracts, renewals with their probability and forecast, windows before the notice date,
saves. *Hears* accounts (onboarding) and risks (health). *Says* contract signed and amended, renewal
window opened, renewal at risk, reassessed, restored, won and lost.
"""
