"""Profiles: written by people, checked, put in force."""
