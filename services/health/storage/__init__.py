"""All SQL of health; rows never leave this room."""
