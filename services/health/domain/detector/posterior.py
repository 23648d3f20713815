"""How sure a usage ratio is."""

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammainc

DROP_BOUNDARY = 0.7


def drop_probability(shape: NDArray[np.float64], rate: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the posterior probability that usage is below 70 % of its own normal.

    The ratio's posterior is Gamma(shape, rate), the conjugate of the Poisson rate; both are
    weighted events and at least the prior's 2. Exact, by the regularised incomplete gamma.
    """
    return np.asarray(gammainc(shape, DROP_BOUNDARY * rate), dtype=np.float64)
