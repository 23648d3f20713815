"""Days whose usage came in late: after they were sealed, and after the peers were planned."""

import numpy as np
from numpy.typing import NDArray

from services.health.domain.detector.state import Floats

_CHANGED = 0.5
"""The part of a day that is new, or gone, for the day to be another one."""

STALE_SHARE = 0.2
"""The part of the voters for whom a day is another one, for their peer factor to be of no use.

By so much a factor may be wrong, which is how far it may fall before a segment counts as down.
"""


def late_days(before: Floats, after: Floats, moved: NDArray[np.intp]) -> NDArray[np.bool_]:
    """Say which of an account's last weeks are not as they were when they were sealed.

    ``before`` and ``after`` are accounts x recent days, NaN where nothing is said; ``moved`` is by
    how many days the last one is later in ``after``. A day that was not sealed before is not late.
    """
    columns = np.arange(after.shape[1]) + moved[:, None]
    was_sealed = (columns >= 0) & (columns < before.shape[1])
    said = np.take_along_axis(before, columns.clip(0, before.shape[1] - 1), axis=1)
    said = np.nan_to_num(said)
    known = np.nan_to_num(after)
    changed = np.abs(known - said) > _CHANGED * np.maximum(known, said)
    late: NDArray[np.bool_] = changed & was_sealed & ~np.isnan(after)
    return late
