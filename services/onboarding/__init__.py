"""Onboarding (Land): who the customer is, who cares for them, and how they get to first value.

Owns accounts, contacts, owners with their history, onboarding plans and their milestones.
Hears ``GroupIdentified`` and ``UsageMilestoneReached`` from health, ``ContractSigned`` from
renewals. Says account, owner and contact changes, onboarding started and completed, milestone
completed and overdue, first value reached.
"""
