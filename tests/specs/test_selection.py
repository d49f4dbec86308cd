"""Laws of selections: settings and runs as indices."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from searches import searched

from nthrun.errors import IndexSpecError
from nthrun.index import MAX_INDICES, format_indices
from nthrun.specs.agent_spec import AgentSpec
from nthrun.specs.selection import MAX_SETTINGS, Selection, select

LISTS: dict[str, Any] = {
    "training.rate": [0.1, 0.2, 0.3],
    "model.kind": ["linear", "network"],
    "model.width/model.depth": [[4, 1], [8, 2]],
    "layers": [[8]],
}
RATES = {"training.rate": {"uniform": [0, 1]}, "model.kind": ["linear", "network"]}
SPECS: dict[str, AgentSpec] = {
    "grid": searched(LISTS),
    "filtered": searched(LISTS, constraints=["training.rate + model.depth < 2.3"]),
    "conditional": searched(LISTS, conditions={"training.rate": "model.width = 8"}),
    "random": searched(RATES, method="random", capacity=30),
    "sobol": searched(RATES, method="sobol", capacity=30),
    "settings": searched({}, method="settings", settings=[{"training.rate": r} for r in (1, 2, 3)]),
}
WHERE = (
    "training.rate > 0.15",
    "model.kind = 'network'",
    "model.depth = 2 or training.rate = 0.1",
    "layers = [8]",
)


def chosen(spec: AgentSpec, runs: int = 1, numbers: str | None = None, *where: str) -> list[int]:
    """The indices that options select."""
    selection = select(spec.sweep, spec.space, runs, numbers, where)
    return list(selection.indices(spec.sweep.num_settings))


@given(
    st.sampled_from(list(SPECS)),
    st.integers(1, 4),
    st.none() | st.sets(st.integers(0, 29), min_size=1),
    st.lists(st.sampled_from(WHERE), max_size=2),
)
@settings(max_examples=100, deadline=None)
def test_indices(case: str, runs: int, numbers: set[int] | None, where: list[str]) -> None:
    """Selected are runs 0 to N-1 of the settings named of which every expression holds, ascending;
    nothing said is every setting."""
    spec = SPECS[case]
    total = spec.sweep.num_settings
    named = None if numbers is None else {number % total for number in numbers}
    rate, kind = "training.rate", "model.kind"
    truth = {
        WHERE[0]: lambda s: s[rate] > 0.15,
        WHERE[1]: lambda s: s[kind] == "network",
        WHERE[2]: lambda s: s["model.depth"] == 2 or s[rate] == 0.1,
        WHERE[3]: lambda s: s["layers"] == (8,),
    }
    expected = [
        index
        for index in range(runs * total)
        if (named is None or index % total in named)
        and all(truth[text](spec.sweep.setting(index % total)) for text in where)
    ]
    text = None if named is None else format_indices(named)
    if expected:
        assert chosen(spec, runs, text, *where) == expected
    else:
        with pytest.raises(IndexSpecError, match="no setting has that"):
            chosen(spec, runs, text, *where)


def test_more_settings_and_more_runs_keep_what_there_was() -> None:
    """Asking for more settings or runs is asking for the same indices and others."""
    spec = searched(RATES, method="random", capacity=10**9)
    few = set(chosen(spec, 2, "0-9"))
    assert few < set(chosen(spec, 3, "0-9"))
    assert few < set(chosen(spec, 2, "0-29"))
    assert len(few) == 20
    assert max(few) == 10**9 + 9


def test_everything_is_nothing_said() -> None:
    """Naming every setting, or what holds of each, is the selection that names none, whose indices
    are not counted out."""
    sweep, space = SPECS["grid"].sweep, SPECS["grid"].space
    for numbers, where in ((None, ()), ("0-11", ()), (None, ("training.rate > 0",))):
        selection = select(sweep, space, 5, numbers, where)
        assert selection == Selection(5)
        assert selection.indices(12) == range(60)


REFUSED: dict[str, tuple[str, dict[str, Any], str]] = {
    "out of range": ("grid", {"numbers": "3,12"}, "--settings: setting 12: allowed 0 to 11"),
    "no numbers": ("grid", {"numbers": ""}, "--settings : not readable"),
    "a name": ("grid", {"numbers": "all"}, "--settings all: not readable"),
    "nothing": ("grid", {"where": ["training.rate > 9"]}, "--where training.rate > 9: no setting"),
    "unknown": ("grid", {"where": ["rate > 9"]}, "--where 'rate > 9': no hyperparameter 'rate'"),
    "unreadable": ("random", {"where": ["training.rate >"]}, '--where got "training.rate >": not'),
    "no sense": ("grid", {"where": ["model.kind > 9"]}, "--where 'model.kind > 9' makes no sense"),
    "hexadecimal": (
        "grid",
        {"where": ["training.rate > 0x10"]},
        "--where 'training.rate > 0x10': got 0x10, allowed: decimal",
    ),
    "underscores": (
        "grid",
        {"where": ["training.rate = 1_0.5"]},
        "--where 'training.rate = 1_0.5': got 1_0.5, allowed: decimal",
    ),
    "a truth": (
        "grid",
        {"where": ["model.depth = true"]},
        "--where 'model.depth = true': compares a number with true or false",
    ),
    "a truth of a few": (
        "random",
        {"where": ["training.rate in [false, 0.5]"]},
        "--where 'training.rate in [false, 0.5]': compares a number",
    ),
    "no sense either": ("random", {"where": ["model.kind > 9"]}, "--where 'model.kind > 9' makes"),
    "too many runs": ("grid", {"runs": MAX_INDICES}, "10,000,000 runs of 12 settings, allowed at"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused(case: str) -> None:
    """What selects nothing, too much, or is not readable is refused in one line with the option."""
    spec, given, said = REFUSED[case]
    options: dict[str, Any] = {"runs": 1, "numbers": None, "where": ()} | given
    with pytest.raises(IndexSpecError) as refused:
        chosen(SPECS[spec], options["runs"], options["numbers"], *options["where"])
    assert str(refused.value).startswith(said)
    assert len(str(refused.value).splitlines()) == 1


def test_a_large_search_needs_settings() -> None:
    """Not all of a billion settings are looked at, but a few of them are."""
    spec = searched(RATES, method="random", capacity=MAX_SETTINGS + 1)
    for where in ((), ("training.rate > 0.5",)):
        with pytest.raises(IndexSpecError, match=r"1,000,001 settings, allowed .*--settings 0-99"):
            chosen(spec, 1, None, *where)
    assert 2 < len(chosen(spec, 1, "1000-1019", "training.rate > 0.5")) < 18


def test_a_grid_of_any_size_is_looked_at_where_it_is_asked() -> None:
    """Of a grid of 10^16 settings a few are looked at, and no more."""
    many = list(range(1, 10_001))
    names = ("training.epochs", "model.width", "model.depth")
    spec = searched({**dict.fromkeys(names, many), "training.rate": [n / 1e4 for n in many]})
    assert spec.sweep.num_settings == 10**16
    assert chosen(spec, 1, "0-9", "training.epochs <= 4") == [0, 1, 2, 3]
    with pytest.raises(IndexSpecError, match="settings, allowed at once"):
        chosen(spec, 1, None)
