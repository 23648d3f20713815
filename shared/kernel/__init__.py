"""Pure Python that the domain may use: errors, ids, clock, money."""
