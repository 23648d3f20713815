"""What to do about an error: a value, decided in one place."""

from dataclasses import dataclass

from shared.db.errors import is_unavailable
from shared.kernel.errors import Kind, Refusal


@dataclass(frozen=True, slots=True)
class Wait:
    """Try again after so many seconds."""

    seconds: float


@dataclass(frozen=True, slots=True)
class GiveUp:
    """Set the record aside, with a code and a reason that a person can read."""

    code: str
    reason: str


def defect(error: BaseException) -> GiveUp:
    """Give up for a mistake of ours, which a new version may mend."""
    return GiveUp("defect", f"{type(error).__name__}: {error}")


@dataclass(frozen=True, slots=True)
class Backoff:
    """Waits that double from ``first`` to ``cap`` seconds; a defect gets ``attempts`` tries.

    The defaults set poison aside about 1.5 s after it was first read.
    """

    first: float = 0.1
    cap: float = 5.0
    attempts: int = 5

    def after(self, error: BaseException, attempt: int) -> Wait | GiveUp:
        """Decide what follows the given failed attempt, the first being 1.

        A refusal is final. A database or broker that is away is waited for without end, because
        the next record would meet the same. Anything else is a defect and gets a few tries.
        """
        if isinstance(error, Refusal) and error.kind is not Kind.UNAVAILABLE:
            return GiveUp(error.code(), error.detail)
        wait = Wait(min(self.cap, self.first * 2 ** min(attempt - 1, 10)))
        if isinstance(error, Refusal) or is_unavailable(error):
            return wait
        if attempt >= self.attempts:
            return defect(error)
        return wait
