"""Laws of the `search` of an agent spec: what it takes, how it is refused, what is kept of it."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from searches import NEEDY, NESTED, document, read, refusal, searched

from nthrun.agents.sac.declaration import SAC
from nthrun.errors import SpecError
from nthrun.specs.agent_spec import read_agent_spec
from nthrun.specs.documents import read_document
from nthrun.specs.fingerprint import differing_keys, fingerprint
from nthrun.specs.search.search_spec import KEYS_OF, METHODS
from nthrun.specs.search.sweeps import MAX_CAPACITY

RATE = {"training.rate": {"loguniform": [1e-5, 1e-1]}}
LISTS = {"training.rate": [0.1, 0.2], "model.width": [4, 8], "model.kind": ["linear", "network"]}
RANDOM = {"method": "random", "capacity": 100}
SEARCHES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "grid": (LISTS, {}),
    "grid with a metric": (LISTS, {"metric": "oracle_gap", "goal": "minimize"}),
    "filtered": (LISTS, {"constraints": ["training.rate > 0.1"]}),
    "conditional": (LISTS, {"method": "grid", "conditions": {"model.width": "training.rate>.1"}}),
    "random": (RATE | {"model.width": {"int": [1, 9]}}, RANDOM),
    "sobol": (RATE, {"method": "sobol", "capacity": 10, "seed": 3, "constraints": ["true"]}),
    "halton": ({**RATE, "model.kind": ["linear", "network"]}, {"method": "halton", "capacity": 1}),
    "coupled": ({"model.width/model.depth": [[1, 2], [3, 4]], "layers": [[1], [2, 3]]}, RANDOM),
    "settings": ({"model.kind": ["network"]}, {"settings": [{"layers": [1]}, {"model.width": 2}]}),
    "bayes": (RATE, {"method": "bayes", "capacity": 50, "metric": "oracle_gap"}),
}
SEARCHES["settings"][1]["method"] = "settings"


@pytest.mark.parametrize("case", SEARCHES)
def test_round_trip(case: str) -> None:
    """What a spec writes of itself, through JSON, is read as the same settings, fingerprint and
    document."""
    parameters, search = SEARCHES[case]
    spec = searched(parameters, **search)
    written = spec.as_document()
    again = read(json.loads(json.dumps(written)))
    assert again.as_document() == written
    assert fingerprint(again.as_document(), {}) == fingerprint(written, {})
    assert again.sweep.num_settings == spec.sweep.num_settings
    if case != "bayes":
        numbers = range(min(spec.sweep.num_settings, 20))
        found = [[one.sweep.setting(n) for n in numbers] for one in (spec, again)]
        assert found[0] == found[1]


def test_a_plain_grid_writes_no_search() -> None:
    """A spec that says `grid`, or a pruner of none, or nothing, is written as it was before
    there were searches."""
    for search in ({}, {"method": "grid"}, {"pruner": "none", "pruner_startup_runs": 9}):
        written = searched({"training.rate": 0.1}, **search).as_document()
        assert written == {"agent_name": "nested", "parameters": {"training.rate": [0.1]}}


def test_defaults_are_written_out() -> None:
    """Naming a default makes no other search."""
    short = searched(RATE, **RANDOM).as_document()
    assert short == searched(RATE, **RANDOM, seed=0).as_document()
    assert short["search"] == {"method": "random", "capacity": 100, "seed": 0}
    pruned = searched(LISTS, pruner="median").as_document()
    assert pruned == searched(LISTS, pruner="median", pruner_startup_runs=5).as_document()
    rule = {"constraints": ["training.rate > 0.1"]}
    explicit = searched(LISTS, method="grid", **rule).as_document()
    assert fingerprint(searched(LISTS, **rule).as_document(), {}) == fingerprint(explicit, {})


CHANGES: dict[str, tuple[str, Any]] = {
    "method": ("method", "sobol"),
    "capacity": ("capacity", 101),
    "seed": ("seed", 1),
    "constraints": ("constraints", ["training.rate > 0.01", "training.rate < 0.09"]),
    "conditions": ("conditions", {"training.rate": "model.width = 3"}),
}


@pytest.mark.parametrize("case", CHANGES)
def test_any_change_is_another_experiment(case: str) -> None:
    """Whatever says which setting a number is changes the fingerprint, and is named."""
    base = {**RANDOM, "constraints": ["training.rate > 0.01"]}
    key, value = CHANGES[case]
    before = searched(RATE, **base).as_document()
    after = searched(RATE, **base | {key: value}).as_document()
    assert fingerprint(before, {}) != fingerprint(after, {})
    assert differing_keys((before, {}), (after, {})) == [f"search.{case}"]


def test_a_range_is_part_of_the_fingerprint() -> None:
    """Another end or kind of a range is another experiment."""
    kinds = ({"loguniform": [1e-5, 1e-1]}, {"uniform": [1e-5, 1e-1]}, {"uniform": [1e-5, 1e-2]})
    prints = {
        fingerprint(searched({"training.rate": kind}, **RANDOM).as_document(), {}) for kind in kinds
    }
    assert len(prints) == 3


@pytest.mark.parametrize("case", SEARCHES)
def test_the_metric_matters_to_bayes_only(case: str) -> None:
    """What settings are compared by changes a fingerprint only where suggestions depend on it."""
    parameters, search = SEARCHES[case]
    written = [
        searched(parameters, **search | {"metric": metric, "goal": goal}).as_document()
        for metric, goal in (("return", "maximize"), ("train_time", "minimize"))
    ]
    first, second = (fingerprint(one, {}) for one in written)
    assert (first != second) == (case == "bayes")


REFUSED: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "a range in a grid": (RATE, {}, "parameters.training.rate: a range (loguniform 1e-05 to 0.1)"),
    "no capacity": (RATE, {"method": "random"}, "search.capacity: missing: method random needs it"),
    "capacity 0": (RATE, {"method": "random", "capacity": 0}, "search.capacity: got 0, allowed:"),
    "capacity too large": (
        RATE,
        {"method": "random", "capacity": MAX_CAPACITY + 1},
        "search.capacity: got 1073741825, allowed: an integer from 1 to",
    ),
    "unknown method": (RATE, RANDOM | {"method": "radnom"}, 'search.method: got "radnom", allowed'),
    "unknown key": (RATE, RANDOM | {"sed": 1}, "search.sed: unknown key, allowed: method, capac"),
    "not for this method": (LISTS, {"capacity": 3}, "search.capacity: not for method grid, which"),
    "settings of random": (RATE, RANDOM | {"settings": []}, "search.settings: not for method rand"),
    "no settings": ({}, {"method": "settings"}, "search.settings: missing: method settings needs"),
    "empty settings": ({}, {"method": "settings", "settings": []}, "search.settings: got an empty"),
    "settings are no mappings": (
        {},
        {"method": "settings", "settings": [1]},
        "search.settings: go",
    ),
    "unknown in a setting": (
        {},
        {"method": "settings", "settings": [{"layers": [1]}, {"layer": [1]}]},
        'search.settings[1]: "layer": unknown key',
    ),
    "wrong in a setting": (
        {},
        {"method": "settings", "settings": [{"model.width": 0.5}]},
        "search.settings[0]: model.width: got 0.5, allowed: an integer >= 1",
    ),
    "in both": (
        {"layers": [[1]]},
        {"method": "settings", "settings": [{"layers": [1]}]},
        "search.settings: layers is named in parameters too",
    ),
    "several values beside settings": (
        {"model.width": [1, 2]},
        {"method": "settings", "settings": [{"layers": [1]}]},
        "parameters.model.width: got 2 values, allowed: one",
    ),
    "nothing satisfies, grid": (
        LISTS,
        {"constraints": ["model.width > 9"]},
        "search: no setting satisfies 'model.width > 9'",
    ),
    "nothing satisfies, random": (
        RATE,
        RANDOM | {"constraints": ["training.rate > 9"]},
        "search: setting 0: none of 1000 draws satisfies 'training.rate > 9'",
    ),
    "too many": (
        {"training.epochs": list(range(1, 1002)), "model.width": list(range(1, 1001))},
        {"constraints": ["model.width > 9"]},
        "search: 1,001,000 combinations to enumerate, allowed: 1,000,000 at most",
    ),
    "condition on nothing": (
        RATE,
        RANDOM | {"conditions": {"model.widht": "true"}},
        "search.conditions.model.widht: unknown key",
    ),
    "condition on what is not swept": (
        RATE,
        RANDOM | {"conditions": {"model.width": "training.rate > 0.1"}},
        "search.conditions.model.width: is not among the parameters",
    ),
    "condition on what is coupled": (
        {"model.width/model.depth": [[1, 2], [3, 4]]},
        {"conditions": {"model.width": "training.rate > 0.1"}},
        "search.conditions.model.width: is coupled",
    ),
    "condition on itself": (
        LISTS,
        {"conditions": {"model.width": "model.width > 4"}},
        "search.conditions.model.width: looks at model.width, of which is not known yet whether",
    ),
    "conditions out of order": (
        LISTS,
        {"conditions": {"model.width": "training.rate > 0.1", "training.rate": "layers = [1]"}},
        "search.conditions.model.width: looks at training.rate, of which is not known yet",
    ),
    "a string and a number": (
        LISTS,
        {"constraints": ["model.kind < 3"]},
        "search: 'model.kind < 3' makes no sense with model.kind \"linear\"",
    ),
    "a string and a number, drawn": (
        RATE,
        RANDOM | {"constraints": ["model.kind < 3"]},
        "search: setting 0: 'model.kind < 3' makes no sense with model.kind \"linear\"",
    ),
    "neither true nor false": (
        LISTS,
        {"constraints": ["model.width"]},
        "search: 'model.width' makes no sense with model.width 4: it is 4, allowed: true or false",
    ),
    "constraints are no list": (LISTS, {"constraints": "true"}, 'search.constraints: got "true"'),
    "a constraint is no text": (LISTS, {"constraints": [3]}, "search.constraints: got 3, allowed"),
    "a constraint on nothing": (
        LISTS,
        {"constraints": ["width > 3"]},
        "search.constraints: 'width > 3': no hyperparameter 'width'",
    ),
    "conditions are a list": (LISTS, {"conditions": ["true"]}, "search.conditions: got"),
    "a coupled range": (
        {"model.width/model.depth": {"int": [1, 3]}},
        RANDOM,
        'parameters.model.width/model.depth: got {"int": [1, 3]}, allowed: lists',
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused(case: str) -> None:
    """What is wrong with a search is told in one line, with file, key and what is allowed."""
    parameters, search, said = REFUSED[case]
    (line,) = refusal(parameters, **search)
    assert line.startswith(f"agent.json: {said}")


def test_a_hyperparameter_without_default() -> None:
    """What has no default has no condition, and is in every setting listed."""
    (line,) = refusal({"needed": [1.0, 2.0]}, NEEDY, conditions={"needed": "other = 2"})
    assert line.startswith("agent.json: search.conditions.needed: has no default to take where")
    listed = [{"needed": 1}, {"other": 1}]
    (line,) = refusal({}, NEEDY, method="settings", settings=listed)
    assert line == "agent.json: search.settings[1]: needed is missing, and has no default"
    (line,) = refusal({}, NEEDY, **RANDOM)
    assert line.startswith("agent.json: parameters.needed: missing")


def test_a_grid_that_breaks_a_rule() -> None:
    """A constraint that leaves what the agent does not allow leaves the refusal; one that takes it
    out is enough."""
    lists = {"batch_size": [1, 100], "replay_capacity": [50, 200]}
    (line,) = refusal(lists, SAC, constraints=["batch_size > 0"])
    assert "batch_size 100 with replay_capacity 50, allowed: batch_size <= replay_capacity" in line
    spec = searched(lists, SAC, constraints=["batch_size <= replay_capacity"])
    assert spec.sweep.num_settings == 3


@pytest.mark.parametrize("raw", [None, [1], "random", 3])
def test_a_search_is_a_mapping(raw: object) -> None:
    """Anything else under `search` is refused."""
    with pytest.raises(SpecError, match=r"search: got .*, allowed: a mapping"):
        read({"parameters": {}, "search": raw})


class TestFiles:
    def merged(self, tmp_path: Path, *contents: dict[str, Any]) -> dict[str, Any]:
        """What several files stand for."""
        paths = [tmp_path / f"{number}.json" for number in range(len(contents))]
        for path, content in zip(paths, contents, strict=True):
            path.write_text(json.dumps(content))
        return read_document(paths).values

    def test_ranges_replace_whole(self, tmp_path: Path) -> None:
        """A later file's range replaces a list or a range, and its list a range."""
        ranges = ({"loguniform": [1e-5, 1e-1]}, {"uniform": [0, 1]}, {"choice": [1, 2]}, [0.3])
        for first in ranges:
            for second in ranges:
                files = [{"parameters": {"training": {"rate": one}}} for one in (first, second)]
                assert self.merged(tmp_path, *files) == files[1]

    def test_a_search_is_merged_key_by_key(self, tmp_path: Path) -> None:
        """A later file changes single keys of the search."""
        files = ({"search": RANDOM}, {"search": {"capacity": 7}})
        assert self.merged(tmp_path, *files) == {"search": RANDOM | {"capacity": 7}}

    def test_a_range_written_twice(self, tmp_path: Path) -> None:
        """A range under a nested and under a dotted key is refused, never taken from either."""
        files = ({"parameters": {"training.rate": [1]}}, {"parameters": {"training": RATE_NESTED}})
        with pytest.raises(SpecError, match="written nested and with a dot"):
            self.merged(tmp_path, *files)

    def test_yaml(self, tmp_path: Path) -> None:
        """YAML reads the same search, `1e-5` without a point included."""
        path = tmp_path / "agent.yaml"
        path.write_text(
            "agent_name: nested\nparameters:\n  training:\n    rate: {loguniform: [1e-5, 1e-1]}\n"
            "search: {method: random, capacity: 100}\n"
        )
        spec = read_agent_spec(read_document([path]), searched({}).declaration)
        assert spec.as_document() == searched(RATE, **RANDOM).as_document()


RATE_NESTED = {"rate": {"uniform": [0, 1]}}


def test_named_hyperparameters_are_no_default() -> None:
    """A spec without parameters, or with settings alone, is one."""
    assert read({"search": RANDOM}).sweep.num_settings == 100
    assert searched({}, method="settings", settings=[{"model.width": 4}]).named == {"model.width"}
    assert document({}) == {"parameters": {}}


SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-2, 12),
    st.floats(-1, 1) | st.just(math.nan),
    st.sampled_from(["linear", "network", "random", "settings", "training.rate > 0.1", "= 3", ""]),
)
NAMES = [*(f.name for f in NESTED.hyperparameters), "model.width/model.depth", "training", "what"]
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(
            st.sampled_from([*NAMES, "uniform", "loguniform", "int", "choice", "rate"]),
            inner,
            max_size=2,
        ),
    ),
    max_leaves=6,
)
PARAMETERS = {
    "training.rate": [[0.1, 0.2], {"loguniform": [0.01, 0.1]}],
    "model.kind": [["linear", "network"]],
    "model.width": [[4, 8], {"int": [1, 9]}, {"choice": [1, 2]}],
    "model.width/model.depth": [[[4, 1], [8, 2]]],
}
SEARCH = {
    "capacity": [1, 5],
    "seed": [3],
    "constraints": [["training.rate > 0.05"], ["model.width > 3", "true"]],
    "conditions": [{"model.width": "model.kind = 'network'"}],
    "settings": [[{"layers": [1]}, {"model.depth": 3}]],
    "metric": ["return", "oracle_gap"],
    "goal": ["minimize"],
    "sampler": ["tpe"],
}


def of_method(method: str) -> st.SearchStrategy[dict[str, Any]]:
    """Searches of a method that fit, but for what their values do to one another."""
    fitting = {key: st.sampled_from(SEARCH[key]) for key in KEYS_OF[method] if key in SEARCH}
    needed = {key: fitting.pop(key) for key in ("capacity", "settings") if key in fitting}
    return st.fixed_dictionaries({"method": st.just(method), **needed}, optional=fitting)


FITTING = st.fixed_dictionaries(
    {}, optional={key: st.sampled_from(values) for key, values in PARAMETERS.items()}
)
ODD = st.one_of(
    st.just({}), st.dictionaries(st.sampled_from([*NAMES, *SEARCH]), VALUES, max_size=1)
)


@given(FITTING, ODD, st.sampled_from(METHODS).flatmap(of_method), ODD)
@settings(max_examples=400, deadline=None)
def test_any_spec(
    parameters: dict[str, Any],
    odd_parameters: dict[str, Any],
    search: dict[str, Any],
    odd_search: dict[str, Any],
) -> None:
    """Whatever a spec says, it is read as one whose first setting is known and which is written and
    read again as itself, or refused in whole lines with file and key."""
    try:
        spec = searched(parameters | odd_parameters, **search | odd_search)
    except SpecError as refused:
        assert all(line.startswith("agent.json: ") for line in str(refused).splitlines())
        return
    if spec.search.method != "bayes":
        assert spec.sweep.setting(0).keys() == {field.name for field in NESTED.hyperparameters}
    written = json.loads(json.dumps(spec.as_document()))
    assert read(written).as_document() == written
