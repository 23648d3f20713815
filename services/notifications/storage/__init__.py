"""All SQL of notifications; rows never leave this room."""
