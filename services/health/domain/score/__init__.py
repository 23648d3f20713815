"""How healthy is an account, exactly why, and what changed."""
