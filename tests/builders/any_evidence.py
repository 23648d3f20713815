"""Whatever may be known of an account, for property tests."""

from hypothesis import strategies as st

from services.health.domain.score.score import Evidence, Observation, Signal
from tests.builders.health import days_ago, default_profile

_DIMENSIONS = default_profile().dimensions
_INPUTS = [one.name for dimension in _DIMENSIONS for one in dimension.inputs]
_SIGNALS = sorted({s for d in _DIMENSIONS for one in d.inputs for s in one.signals})

any_evidence = st.builds(
    Evidence,
    st.dictionaries(
        st.sampled_from(_INPUTS),
        st.builds(Observation, st.floats(0, 30), st.floats(0, 400).map(days_ago)),
    ),
    st.lists(
        st.builds(
            Signal,
            st.sampled_from(_SIGNALS),
            st.floats(0, 400).map(days_ago),
            st.none() | st.floats(0, 10),
        ),
        max_size=6,
    ).map(tuple),
)
