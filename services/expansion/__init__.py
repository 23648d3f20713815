"""Expand: seats in use against seats sold, and when it is right to offer more.

*Owns* entitlements, utilisation, opportunities. *Hears* contracts (renewals), usage rolled up and
risks (health), accounts and onboarding (onboarding). *Says* limit approaching, opportunity opened,
opportunity withheld, won, lost and lapsed.
"""
