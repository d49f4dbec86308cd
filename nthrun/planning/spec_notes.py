"""What is said of specs before their first run: values listed twice, metrics that no run has."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterator

from nthrun.specs.agent_spec import AgentSpec
from nthrun.specs.declaration import MOST_WORLDS, NUM_WORLDS
from nthrun.specs.environment_spec import COUNTED_KEYS, EnvironmentSpec
from nthrun.specs.field import plain, shown
from nthrun.specs.layout import Layout
from nthrun.specs.search.search_spec import BAYES, KNOWN_GOALS
from nthrun.specs.search.space import Range

EVALUATED = ("evaluation", "final_evaluation", "oracle_gap")
"""Metrics of evaluations."""
MEASURED = tuple(name for name in KNOWN_GOALS if name not in EVALUATED)
"""Metrics that every run has."""
SHOWN = 5


def notes_of(agent: AgentSpec, environment: EnvironmentSpec) -> Iterator[str]:
    """What is allowed and yet hardly meant, a line each."""
    for key, values in agent.parameters.items():
        if isinstance(values, Range):
            continue
        written = Counter(json.dumps(plain(value)) for value in values)  # 1 is not 1.0
        for text, times in list(written.items())[:SHOWN]:
            if times > 1:
                same = "so that several settings are the same"
                yield f"parameters.{key}: {shown(json.loads(text))} is listed {times} times, {same}"
    settings = Counter(tuple(sorted(one.items())) for one in _listed(agent))
    for setting, times in list(settings.items())[:SHOWN]:
        if times > 1:
            text = ", ".join(f"{name} {shown(plain(value))}" for name, value in setting)
            yield f"search.settings: one setting is listed {times} times: {text}"
    metric = agent.search.text("metric")
    if agent.search.values and metric not in (*MEASURED, *EVALUATED):
        known = ", ".join(KNOWN_GOALS)
        yield (
            f"search.metric: {metric} is nothing that every run has ({known}), so its runs have to "
            "record a metric of that name"
        )


def unmeasured(agent: AgentSpec, environment: EnvironmentSpec) -> tuple[str, str] | None:
    """Problem and hint where a search goes by a metric that no run can have; None where one may.

    What a user's own agent and a solver report is known only once they have run.
    """
    search, metric = agent.search, agent.search.text("metric")
    if search.method != BAYES or metric in MEASURED or agent.program is not None:
        return None
    declaration = agent.declaration
    if metric in EVALUATED and not environment.eval_episodes:
        return f"got {metric}, and eval_episodes is 0", "give eval_episodes in the environment spec"
    if metric in EVALUATED[:-1] or declaration.solves or ":" in declaration.name:
        return None
    if metric == EVALUATED[-1]:
        none_known = f"got {metric}, and of {environment.env_name} no best return is known"
        return None if environment.declaration.oracle else (none_known, "choose another metric")
    reported = set(_reported(agent, environment))
    if metric in reported and "metrics" not in environment.items("record"):
        hint = 'write "record": ["metrics"] in the environment spec'
        return f"got {metric}, which runs report but do not record", hint
    names = ", ".join((*MEASURED, *EVALUATED, *sorted(reported)))
    problem = f"got {shown(metric)}, which no run of {declaration.name} has, allowed: {names}"
    return None if metric in reported else (problem, "names are nthrun's own: see docs/search.md")


def uneven_steps(agent: AgentSpec, environment: EnvironmentSpec) -> tuple[str, str] | None:
    """Problem and hint where runs of several worlds cannot take the steps of an environment spec:
    all of their worlds take a step at once, or where they are too many. None where they can."""
    declaration = agent.declaration
    if declaration.solves or NUM_WORLDS not in declaration.static_names():
        return None
    if isinstance(agent.parameters.get(NUM_WORLDS), Range):
        return "got a range, allowed: listed values", f'write "{NUM_WORLDS}": [1, 8]'
    for worlds in agent.values_of(NUM_WORLDS):
        assert isinstance(worlds, int)
        if worlds > MOST_WORLDS:
            return f"got {worlds}, allowed: 1 to {MOST_WORLDS}", "give fewer worlds"
        for key in COUNTED_KEYS:
            steps = environment.integer(key)
            if steps % worlds:
                problem = f"got {worlds}, of which {key}, {steps}, is no multiple"
                more = (steps // worlds + 1) * worlds
                return problem, f"give {key} {more}, or another number of worlds"
    return None


def never_learning(agent: AgentSpec, environment: EnvironmentSpec) -> tuple[str, str] | None:
    """Problem and hint where a run ends within its first rollout; None where none does."""
    names, total = agent.declaration.rollout, environment.total_timesteps
    for setting in agent.sweep.examples(names) if names else ():
        if (steps := math.prod(setting[name] for name in names)) > total:
            problem = f"a rollout has {steps} steps, and total_timesteps is {total}"
            return problem, "give more total_timesteps, or shorter rollouts"
    return None


def _listed(agent: AgentSpec) -> Iterator[dict[str, object]]:
    """The settings that a search lists, whole."""
    if agent.search.settings:
        yield from (agent.sweep.setting(number) for number in range(agent.sweep.num_settings))


def _reported(agent: AgentSpec, environment: EnvironmentSpec) -> Iterator[str]:
    """Names of what updates report, over the static hyperparameters swept."""
    declaration = agent.declaration
    if declaration.layout is None:
        return
    for setting in agent.sweep.examples(declaration.static_names()):
        layout = declaration.layout(setting, environment.interface)
        yield from layout.metrics if isinstance(layout, Layout) else ()
