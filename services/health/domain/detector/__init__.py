"""Did usage really drop? The exponentially weighted Gamma-Poisson usage ratio."""
