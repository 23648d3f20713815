"""Who is calling and what they may do: scopes, principals, API keys. Knows no web framework."""
