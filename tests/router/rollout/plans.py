"""Random plans: every step, source, condition and hook that may stand in one."""

from hypothesis import strategies as st

from modelwire_router.rollout.plan import (
    Analyse,
    Exposure,
    Hook,
    HookKind,
    Measure,
    Metric,
    Mirror,
    MovePartitions,
    OnFailure,
    Pause,
    Plan,
    Prometheus,
    Query,
    SetWeight,
    Template,
    Webhook,
)
from tests.schemas import strategies as some

sources = st.one_of(
    st.builds(Query, st.sampled_from(Measure), some.words, some.floats),
    st.builds(Prometheus, some.texts, some.texts),
    st.builds(Webhook, some.texts),
)
metrics = st.builds(
    Metric,
    some.names,
    sources,
    relative=st.booleans(),
    most=st.none() | some.floats,
    least=st.none() | some.floats,
    min_samples=some.naturals,
    interval=some.naturals,
    maturity=some.naturals,
    dry_run=st.booleans(),
)
templates = st.builds(Template, some.names, some.few(metrics))
pairs = st.tuples(some.names, some.naturals)
steps = st.one_of(
    st.builds(SetWeight, some.naturals),
    st.builds(MovePartitions, some.few(pairs)),
    st.builds(Pause, st.none() | some.naturals),
    st.builds(Analyse, some.few(some.names), some.naturals),
    st.builds(Mirror, some.shadows),
    st.builds(
        Exposure,
        some.naturals,
        some.words,
        some.naturals,
        st.none() | some.floats,
        st.none() | some.naturals,
    ),
)
hooks = st.builds(Hook, st.sampled_from(HookKind), some.texts, some.naturals)
plans = st.builds(
    Plan,
    route=some.names,
    model=some.names,
    stable=some.versions,
    candidate=some.versions,
    strategy=some.names,
    split=some.splits,
    steps=some.few(steps),
    rules=some.few(some.rules, 2),
    shadows=some.few(some.shadows, 1),
    templates=some.few(templates, 1),
    background=some.few(some.names),
    background_from=some.naturals,
    require_ready=some.floats,
    on_failure=st.sampled_from(OnFailure),
    keep_warm=some.naturals,
    hooks=some.few(hooks, 1),
    at=st.none() | some.naturals,
)
