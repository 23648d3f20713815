"""All SQL of onboarding, one module a noun; rows never leave this room."""
