"""Adopt: usage, signals, the health score, and the risks it finds.

*Owns* usage counts, daily metrics, signals and what other systems call accounts, profiles, scores
and their history, risks, pulses, disagreements, the list of accounts at risk.
*Hears* signals of other systems (Kafka, webhooks), accounts, contacts, owners and plans
(onboarding), contracts and outcomes (renewals).
*Says* groups seen, days rolled up, usage milestones, signals, score changes, risks opened,
worsened, merged and recovered, what people do with them, pulses, disagreements.
"""
