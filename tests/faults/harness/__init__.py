"""What the fault tests are made of: load, ledger, receivers, faults, and the checker."""
