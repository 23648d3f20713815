"""Put a fitted model in force, if it is better than the expert weights."""

from services.health.domain.profile.profile import Profile
from services.health.domain.profile.selection import segments_of
from services.health.storage.profile import rollouts
from services.health.storage.score import fitted
from services.health.storage.score.fitted import Activation
from shared.db.transaction import Row, Transaction
from shared.kernel.errors import Conflict, NotFound


class UnknownModel(NotFound):
    """The profile has no model of this version."""


class ModelNotBetter(Conflict):
    """The model is not better than the expert weights; force it with a reason, or leave it."""


class ModelOfOtherVersion(Conflict):
    """The model was fitted to another version of the profile; fit one to the version in force."""


async def activate_model(
    tx: Transaction, profile: Profile, version: int, by: str, *, forced_because: str | None
) -> Row:
    """Put a model in force and return it.

    Raises `UnknownModel`, `ModelNotBetter` or `ModelOfOtherVersion`.
    """
    model = await fitted.get(tx, profile.name, version)
    if model is None:
        raise UnknownModel(f"the profile {profile.name} has no model {version}")
    if model["profile_version"] != profile.version:
        raise ModelOfOtherVersion(
            f"model {version} is of {profile.name}@{model['profile_version']}, "
            f"in force is {profile.name}@{profile.version}; fit one to it"
        )
    gain = (model["summary"]["model_gain_auc"] or {}).get("value")
    is_better = gain is not None and gain >= 0
    if not is_better and forced_because is None:
        raise ModelNotBetter(_why_not(gain), backtest=model["summary"])
    await fitted.activate(tx, model, Activation(by, None if is_better else forced_because))
    # Accounts that nothing happens to are scored by it too, a few at a time.
    await rollouts.start(tx, profile.name, profile.version, segments_of(profile.applies_to))
    found = await fitted.get(tx, profile.name, version)
    return model if found is None else found


def _why_not(gain: float | None) -> str:
    found = "its back-test could not tell" if gain is None else f"AUC {gain:+.3f} in its back-test"
    return (
        f"the model is not shown to be better than the expert weights ({found}); "
        'send {"force": true, "reason": "..."} to use it all the same'
    )
