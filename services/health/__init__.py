"""Adopt: usage, signals, the health score, and the risks it finds.

*Owns* usage counts, daily metrics, signals, profiles, scores and their history, risks.
*Hears* accounts, contacts, owners and plans (onboarding), contracts and outcomes (renewals).
*Says* groups seen, days rolled up, usage milestones, signals, score changes, risks opened,
worsened and recovered.
"""
