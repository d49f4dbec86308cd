"""The older tool's meaning of a spec, written out in our own words where it differs from ours.

What differs and cannot be written out is left as it is, and told; see `differences`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from nthrun.errors import Fault, SpecError
from nthrun.legacy.spec_keys import EPSILON_GREEDY
from nthrun.specs.declaration import AgentDeclaration
from nthrun.specs.documents import Document
from nthrun.specs.field import shown
from nthrun.specs.search.space import COUPLER

KEY = "conventions"
CONVENTIONS = ("policy-parameterization", "greedyac")
"""Tools whose meaning may be asked for; they agree in what is written out here."""
BATCH, REPLAY, DELAY = "batch_size", "replay_capacity", "steps_before_learning"
TUNING, ALPHA = "automatic_entropy_tuning", "alpha"
COMPONENTS, MIXTURE = "num_components", "SquashedGaussianMixture"
NUM_STARTS = 30
SEARCH = {"num_starts": NUM_STARTS, "num_search_steps": 100, "search_lr": 0.01 / NUM_STARTS}
"""Of `epsgreedy_SGD`: there the starts share one loss, the mean of all."""
AGENTS_THERE = ("SAC", "VAC", "FKL", "GreedyAC", "GreedyACNoEntReg", *EPSILON_GREEDY)
"""Agents that have networks and are there too."""
CONSTANT_EPSILON = EPSILON_GREEDY[:2]
"""Agents whose ε stays what it is, and that begin to learn with the first whole batch."""
TARGETS, BETAS, EXPLORATION = "target_update_interval", "betas", "uniform_exploration_steps"
_CONSTANT = ("epsilon_decay", "epsilon_min", DELAY, TARGETS, BETAS)
NOT_READ: Mapping[str, tuple[str, ...]] = {
    "epsgreedy": _CONSTANT,
    "epsgreedy_SGD": (*_CONSTANT, EXPLORATION),
    "epsgreedy_optimizer": (TARGETS, BETAS, EXPLORATION),
}
"""Agent -> hyperparameters that it takes there and does not read; they are passed over."""
FIRST_WEIGHTS, UNSCALED, SCALED = "weight_init", "xavier_uniform", "xavier_uniform_gain"
"""A hyperparameter, the value whose bound has no factor for the activation, and that with one."""
ENVIRONMENTS = {
    "Acrobot-v1": "AngleAcrobot-v1",
    "DenseAcrobot-v1": "DenseAngleAcrobot-v1",
    "SparsePendulum-v1": "EarlySparsePendulum-v1",
    "ContinuousCartpole-v0": "StrongContinuousCartpole-v0",
    "DenseMountainCarContinuous-v1": "PositionMountainCarContinuous-v1",
    "XYGridworld": "CellXYGridworld",
    "IndexGridworld": "NumberGridworld",
}
"""Environment -> the one that is meant there."""
GRIDWORLDS = ("Gridworld", "IndexGridworld", "XYGridworld")

Problem = tuple[str, str, str]
"""A dotted key, what is wrong, and what to do."""


def conventions_of(documents: Sequence[Document]) -> str:
    """The conventions that specs ask for; "" is ours.

    Raises:
        SpecError: there are none of that name, or they ask for several.
    """
    asked = [d for d in documents if KEY in d.values]
    for document in asked:
        name = document.values[KEY]
        if name not in CONVENTIONS or name != asked[0].values[KEY]:
            allowed = f"one of {', '.join(CONVENTIONS)}, the same in both specs"
            origin = document.origin(KEY)
            problem = f"got {shown(name)}, allowed: {allowed}"
            raise SpecError([Fault(origin, KEY, problem)])
    return str(asked[0].values[KEY]) if asked else ""


def agent_by_conventions(
    parameters: Mapping[str, Any], agent: AgentDeclaration
) -> tuple[dict[str, Any], list[Problem]]:
    """Hyperparameters with the older tool's meaning, and what of it cannot be written.

    Args:
        parameters: with our keys, in their order.
        agent: whose they are.
    """
    fields = {field.name: field.default for field in agent.hyperparameters}
    lists = {k: v if isinstance(v, list) else [v] for k, v in parameters.items()}
    problems: list[Problem] = []
    if agent.name == "epsgreedy_SGD":
        for name, value in SEARCH.items():
            lists = _added(lists, name, value)
    if COMPONENTS in fields and MIXTURE in lists.get("policy_type", ()):
        lists = _added(lists, COMPONENTS, 1)
    if FIRST_WEIGHTS in fields and agent.name in AGENTS_THERE:
        first = lists.get(FIRST_WEIGHTS, ())
        if UNSCALED in first and SCALED in first:
            problem = f"{UNSCALED} is {SCALED} there: the settings would be equal"
            problems.append((f"parameters.{FIRST_WEIGHTS}", problem, "list one of the two"))
        lists = _added(lists, FIRST_WEIGHTS, fields[FIRST_WEIGHTS])
        lists = _changed(lists, FIRST_WEIGHTS, _with_gain)
    if TUNING in fields and True in lists.get(TUNING, [fields[TUNING]]):
        if False in lists.get(TUNING, ()):
            problem = "tuned and fixed in one file: a tuned alpha begins at 1 there, whatever alpha"
            problems.append((f"parameters.{TUNING}", problem, "give each a file of its own"))
        lists = _changed(_added(lists, ALPHA, 1.0), ALPHA, lambda _: 1.0)
    if {BATCH, DELAY} <= fields.keys():
        batches, delays = lists.get(BATCH, [fields[BATCH]]), lists.get(DELAY, [fields[DELAY]])
        numbers = [*batches, *delays, *lists.get(REPLAY, [])]
        if (
            batches and delays and all(map(_is_whole, numbers))
        ):  # else reading the spec says what is wrong with them
            return _with_whole_batches(lists, batches, delays, problems)
    return lists, problems


def _with_gain(first: Any) -> Any:
    return SCALED if first == UNSCALED else first


def _added(lists: dict[str, Any], name: str, value: Any) -> dict[str, Any]:
    """The lists with one of a single value, if no key names its hyperparameter."""
    is_named = any(name in key.split(COUPLER) for key in lists)
    return lists if is_named else {**lists, name: [value]}


def _changed(lists: dict[str, Any], name: str, change: Callable[[Any], Any]) -> dict[str, Any]:
    """The lists with all values of a hyperparameter changed, also of one that is coupled."""
    changed = dict(lists)
    for key, values in lists.items():
        names = key.split(COUPLER)
        if names == [name]:
            changed[key] = [change(value) for value in values]
        elif name in names:
            changed[key] = [_with_entry(row, names.index(name), change) for row in values]
    return changed


def _with_entry(row: Any, place: int, change: Callable[[Any], Any]) -> Any:
    """A row of coupled values with one changed; what is no such row is refused when it is read."""
    if not isinstance(row, list) or len(row) <= place:
        return row
    return [*row[:place], change(row[place]), *row[place + 1 :]]


def _with_whole_batches(
    lists: dict[str, Any], batches: list[int], delays: list[int], problems: list[Problem]
) -> tuple[dict[str, Any], list[Problem]]:
    """The lists with the legal pairs of batch size and replay capacity as the last digit, batch by
    batch, and a first update where it is there.

    That comes after `steps_before_learning` steps, and not before a batch is full; here it comes a
    step later than that number says.
    """
    by_batch = len(batches) > 1 and min(delays) < max(batches)
    if by_batch and len(delays) > 1:
        problem = f"swept with {BATCH}: the first update waits for a whole batch there"
        hint = "give each batch size a file of its own"
        return lists, [*problems, (f"parameters.{DELAY}", problem, hint)]
    first = {batch: max(batch, delays[0]) - 1 for batch in batches}
    if not by_batch:
        least = batches[0] if len(batches) == 1 else 0
        lists = {**lists, DELAY: [max(delay, least) - 1 for delay in delays]}
    names = [BATCH, REPLAY] if {BATCH, REPLAY} <= lists.keys() else [BATCH]
    values = [[batch] for batch in batches]
    if REPLAY in names:
        replays = lists[REPLAY]
        values = [[batch, replay] for batch in batches for replay in replays if replay >= batch]
    if by_batch:
        names, values = [*names, DELAY], [[*each, first[each[0]]] for each in values]
    is_swept = len(batches) > 1 or len(lists.get(REPLAY, ())) > 1
    if len(names) == 1 or not is_swept or not values:  # the agent's rule tells of no legal pair
        return lists, problems
    place = "" if REPLAY in names else BATCH
    kept = {key: each for key, each in lists.items() if key not in names or key == place}
    coupled = {COUPLER.join(names): values}
    if not place:
        return {**kept, **coupled}, problems
    return {
        new: each
        for key, old in kept.items()
        for new, each in (coupled.items() if key == place else [(key, old)])
    }, problems


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def environment_by_conventions(values: Mapping[str, Any]) -> dict[str, Any]:
    """An environment spec with the older tool's meaning.

    Args:
        values: of the spec, nested as it is.
    """
    name = values.get("env_name")
    changed = {**values, "env_name": ENVIRONMENTS.get(str(name), name)}
    if name in GRIDWORLDS and not values.get("overwrite_rewards"):
        changed |= {"overwrite_rewards": True, "rewards": {"timestep": -1.0, "goal": 0.0}}
    factor = values.get("sparsity_factor")
    if name == "SparsePendulum-v1" and isinstance(factor, (int, float)) and factor > 0:
        changed["sparsity_factor"] = 1.0 / factor
    return changed
