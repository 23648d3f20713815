"""Notifications: everyone hears what they should, once.

*Owns* subscriptions, the built-in routing rules, messages, the in-app inbox, deliveries, webhook
endpoints and their signing keys; beside them what it must know to choose people: the accounts'
names and segments, who holds which role, and which risks are open.

*Hears* accounts and owners (onboarding), first value (onboarding), risks (health), renewals at
risk, reassessed, restored and coming up (renewals), opportunities (expansion). *Says* delivered
and failed.

Deliveries are at least once, under an id that never changes.
"""
