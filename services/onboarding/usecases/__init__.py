"""What onboarding does: load, decide, save, emit. One module a noun."""
