"""The nouns of landing a customer: plain, frozen, without I/O."""
