"""Recording: what the steps of a pack show, and the record of one run that comes of it.

A stepper gives a block of steps as tensors. As an event it goes to the recorder of every lane, to
the checkpoint and to the logs; an evaluation is another event. The events that are logged beside a
checkpoint restore a new recorder.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Mapping, Sequence
from operator import itemgetter
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from nthrun.agents.base import Experience
from nthrun.planning.packs import PlannedRun
from nthrun.records.schema import EPISODE_ENDS, Run
from nthrun.specs.environment_spec import EnvironmentSpec
from nthrun.specs.field import plain
from nthrun.specs.search.search_spec import GOALS, RETURNS, SearchSpec

Block = dict[str, Tensor]
"""What a block of steps shows, `(lanes, num_steps × worlds, ...)` each, step after step and in each
world after world: `observation`, `action`, `reward`, `next_observation`, `terminated` and `ended`;
and `metrics/<name>` `(lanes, num_updates)`."""

METRICS = "metrics/"

Event = dict[str, np.ndarray]
"""A block of steps or an evaluation, every array `(lanes, ...)`.

A block of steps has `learned`, which counts updates, and `health`, `(lanes, steps)`; `reward` and
`ended`, `(lanes, steps × worlds)`, step after step and in each world after world; and on request
`series/<name>` `(lanes, steps × worlds, ...)` and `updates/<name>` `(lanes, updates, ...)`.
Where evaluation is due, and at the end, an event says in `finite` `(lanes,)` whether the parameters
are; with `eval_step` `(lanes,)`, `eval_returns`, `eval_steps` `(lanes, episodes)` if there were
episodes, `measures/<name>` `(lanes,)` where more is known of them, and `hopeless` `(lanes,)` where
runs are pruned; and on request `eval_states` `(lanes, longest, episodes, dim)`.
"""

MEASURES = "measures/"

EXPERIENCE_SERIES = {
    "train_states": "observation",
    "train_actions": "action",
    "train_rewards": "reward",
    "train_next_states": "next_observation",
}


class StepOutput(NamedTuple):
    """What one step shows of itself.

    Attributes:
        experience: the step, `(lanes, worlds, dim)` each.
        ended: whether an episode ended, `(lanes, worlds, 1)`.
        metrics: of the update; empty if none followed.
    """

    experience: Experience
    ended: Tensor
    metrics: dict[str, Tensor]

    def shown(self) -> dict[str, Tensor]:
        """Experience and end by name, `(lanes, worlds, dim)` each."""
        return self.experience._asdict() | {"ended": self.ended}


def block_event(block: Block, counts: np.ndarray, series: frozenset[str]) -> Event:
    """A block's steps as a recorder event.

    Args:
        block: as a stepper gives it.
        counts: updates after each step, `(steps,)`.
        series: names of the series to keep.
    """
    arrays = {name: tensor.numpy(force=True) for name, tensor in block.items()}
    rewards = arrays["reward"][..., 0]
    updates = {name: array for name, array in arrays.items() if name.startswith(METRICS)}
    small = np.min_scalar_type(counts.max(initial=0))
    event = {
        "reward": rewards,
        "ended": arrays["ended"][..., 0],
        "learned": np.tile(counts.astype(small), (len(rewards), 1)),
        "health": _health(rewards, updates, counts),
    }
    for name, source in EXPERIENCE_SERIES.items():
        if name in series:
            event[f"series/{name}"] = rewards if name == "train_rewards" else arrays[source]
    if "metrics" in series:
        event |= {f"updates/{name}": values for name, values in updates.items()}
    return event


def joined_blocks(blocks: Sequence[Block]) -> Block:
    """Blocks of steps one after the other as one; metrics may begin in a later one."""
    if len(blocks) == 1:
        return blocks[0]
    names = {name: None for block in blocks for name in block}
    return {name: torch.cat([b[name] for b in blocks if name in b], 1) for name in names}


def judged_by(event: Event, search: SearchSpec) -> np.ndarray:
    """What an evaluation says of how good each lane is, `(lanes,)`, higher being better: the
    search's metric where evaluations measure it, else the mean return, which is to be high unless
    the search minimises a return."""
    metric = search.text("metric")
    measure = MEASURES + metric
    values = event[measure] if measure in event else event["eval_returns"].mean(1)
    minimised = search.goal != GOALS[0] and (measure in event or metric in RETURNS)
    return np.asarray(-values if minimised else values)


class LaneRecorder:
    """What one run has shown so far.

    Args:
        in_episodes: whether its steps are those of training episodes, as a solver's are not.
        num_worlds: in which it acts, each of them taking a step at once.

    Attributes:
        num_steps: environment steps taken, up to and including a divergence; the steps of several
            worlds are taken or not taken together.
        diverged: whether a number became non-finite.
        pruned: whether the run was ended early as unlikely to win.
        last_return: of the last finished episode; NaN before.
    """

    def __init__(self, in_episodes: bool = True, num_worlds: int = 1) -> None:
        self._in_episodes = in_episodes
        self._num_worlds = num_worlds
        self.num_steps = 0
        self.diverged = False
        self.pruned = False
        self.last_return = float("nan")
        self._partial_returns = [0.0] * num_worlds
        self._partial_steps = [0] * num_worlds
        self._returns: list[float] = []
        self._lengths: list[int] = []
        self._ends = array("q")
        self._evaluations: list[tuple[int, np.ndarray, np.ndarray]] = []
        self._series: dict[str, list[np.ndarray]] = {}

    def add(self, event: Mapping[str, np.ndarray]) -> None:
        """Take in one event, this lane's part of it."""
        if self.diverged or self.pruned:
            return
        if "reward" in event:
            self._add_steps(event)
        elif not event["finite"]:
            self.diverged = True
        elif "eval_returns" in event:
            self._add_evaluation(event)
            self.pruned = bool(event.get("hopeless", False))

    def is_best_evaluation(self) -> bool:
        """Whether the last evaluation has the highest mean return, the first of equals winning."""
        means = [float(returns.mean()) for _, returns, _ in self._evaluations]
        return not self.diverged and all(means[-1] > mean for mean in means[:-1])

    def episodes_from(self, first: int) -> list[tuple[float, int, int]]:
        """(return, steps, end) of each finished training episode from that number on; the end is
        the number of its last environment step, counted from 1."""
        ends = self._ends[first:]
        return list(zip(self._returns[first:], self._lengths[first:], ends, strict=True))

    def outcome(self, failure: str = "", left: str = "") -> dict[str, str]:
        """Status and reason of the run as it stands, or of one that an exception ended.

        Args:
            failure: the exception, if there was one.
            left: what is left of a run that has diverged.
        """
        if failure:
            return {"status": "failed", "reason": failure}
        if self.diverged:
            reason = f"non-finite numbers at step {self.num_steps}"
            return {"status": "diverged", "reason": f"{reason}; {left}" if left else reason}
        if self.pruned:
            reason = f"ended at step {self.num_steps}, hopeless beside other runs"
            return {"status": "pruned", "reason": reason}
        return {"status": "completed", "reason": ""}

    def record(self, run: PlannedRun, spec: EnvironmentSpec, extra: Mapping[str, Any]) -> Run:
        """The record of this lane.

        Args:
            run: which run it is.
            spec: of its environment.
            extra: status, reason, learned_params, timing, provenance.
        """
        episodes = spec.eval_episodes
        shape = (len(self._evaluations), episodes)
        steps, returns, lengths = (
            zip(*self._evaluations, strict=True) if self._evaluations else ((),) * 3
        )
        unfinished_return, unfinished_steps = self._unfinished()
        record = Run(
            index=run.index,
            setting_number=run.setting_number,
            run_number=run.run_number,
            random_seed=run.random_seed,
            stage=run.stage,
            total_timesteps=self.num_steps,
            eval_interval_timesteps=spec.integer("eval_interval_timesteps"),
            episodes_per_eval=episodes,
            total_train_episodes=len(self._returns),
            unfinished_episode_reward=unfinished_return,
            unfinished_episode_steps=unfinished_steps,
            agent_params={name: plain(value) for name, value in run.setting.items()},
            eval_episode_rewards=np.array(returns, np.float64).reshape(shape),
            eval_episode_steps=np.array(lengths, np.int64).reshape(shape),
            timesteps_at_eval=np.array(steps, np.int64),
            train_episode_rewards=np.array(self._returns, np.float64),
            train_episode_steps=np.array(self._lengths, np.int64),
        )
        if self._num_worlds > 1:
            record[EPISODE_ENDS] = np.array(self._ends, np.int64)
        for name, parts in self._series.items():
            key, _, rest = name.partition("/")
            target = record.setdefault(key, {}) if rest else record
            target[rest or key] = np.concatenate(parts)
        record.update(extra)
        return record

    def _add_steps(self, event: Mapping[str, np.ndarray]) -> None:
        sick = np.flatnonzero(~np.isfinite(event["health"]))
        count = int(sick[0]) + 1 if sick.size else len(event["health"])
        updates = int(event["learned"][:count].sum())
        taken = count * self._num_worlds
        if self._in_episodes:
            self._add_episodes(event["reward"][:taken], event["ended"][:taken])
        for name, values in event.items():
            kind, _, series = name.partition("/")
            if series:
                kept = values[:taken] if kind == "series" else values[:updates]
                self._series.setdefault(series, []).append(kept)
        self.num_steps += taken
        self.diverged = bool(sick.size)

    def _add_episodes(self, rewards: np.ndarray, ended: np.ndarray) -> None:
        """Add the rewards of every world, `(steps × worlds,)`, and sort what ended."""
        finished: list[tuple[int, float, int]] = []
        for world in range(self._num_worlds):
            own = slice(world, None, self._num_worlds)
            for step, score, length in self._episodes_of(world, rewards[own], ended[own]):
                end = self.num_steps + step * self._num_worlds + world + 1
                finished.append((end, score, length))
        for end, score, length in sorted(finished, key=itemgetter(0)):
            self._ends.append(end)
            self._returns.append(score)
            self._lengths.append(length)
            self.last_return = score

    def _episodes_of(
        self, world: int, rewards: np.ndarray, ended: np.ndarray
    ) -> Iterator[tuple[int, float, int]]:
        """Add the rewards of one world, one by one, so that returns do not depend on block lengths;
        (last step, return, length) of each episode that ends."""
        start = 0
        for end in (*np.flatnonzero(ended) + 1, len(rewards)):
            begun = [self._partial_returns[world]]
            part = np.concatenate((begun, rewards[start:end].astype(np.float64)))
            self._partial_returns[world] = float(np.add.accumulate(part)[-1])
            self._partial_steps[world] += int(end - start)
            if end > start and ended[end - 1]:
                yield int(end - 1), self._partial_returns[world], self._partial_steps[world]
                self._partial_returns[world], self._partial_steps[world] = 0.0, 0
            start = end

    def _unfinished(self) -> tuple[float, int]:
        """Return and steps so far of the episode that has not ended; of those of several worlds all
        steps, and the mean return, in which each counts for its steps."""
        steps = sum(self._partial_steps)
        if self._num_worlds == 1 or not steps:
            return self._partial_returns[0], steps
        of_worlds = zip(self._partial_returns, self._partial_steps, strict=True)
        return sum(score * length for score, length in of_worlds) / steps, steps

    def _add_evaluation(self, event: Mapping[str, np.ndarray]) -> None:
        lengths = event["eval_steps"]
        self._evaluations.append((int(event["eval_step"]), event["eval_returns"], lengths))
        for name in event:
            if name.startswith(MEASURES):
                series = "eval_metrics/" + name.removeprefix(MEASURES)
                self._series.setdefault(series, []).append(event[name].reshape(1))
        if "eval_states" in event:
            episodes = [event["eval_states"][:length, n] for n, length in enumerate(lengths)]
            self._series.setdefault("eval_states", []).append(np.concatenate(episodes))


def lane_event(event: Event, lane: int) -> dict[str, np.ndarray]:
    """One lane's part of an event."""
    return {name: values[lane] for name, values in event.items()}


def joined_events(events: list[Event]) -> list[Event]:
    """The same events with consecutive blocks of steps joined into one."""
    merged: list[list[Event]] = []
    for event in events:
        if merged and "reward" in event and event.keys() == merged[-1][-1].keys():
            merged[-1].append(event)
        else:
            merged.append([event])
    return [
        group[0]
        if len(group) == 1
        else {k: np.concatenate([e[k] for e in group], 1) for k in group[0]}
        for group in merged
    ]


def stacked_events(lanes: list[list[dict[str, np.ndarray]]]) -> list[Event]:
    """Events of single lanes, all at one step, as events of a pack.

    Blocks are joined up to the next evaluation first, so that lanes whose checkpoints were
    taken at different times agree on where events begin and end.
    """
    per_lane = [
        joined_events([{k: v[None] for k, v in e.items()} for e in events]) for events in lanes
    ]
    return [
        {name: np.concatenate(_padded([e[name] for e in group])) for name in group[0]}
        for group in zip(*per_lane, strict=True)
    ]


def _padded(arrays: list[np.ndarray]) -> list[np.ndarray]:
    """Arrays of equal length on axis 1 (only `eval_states` differ there; its tail is not read)."""
    if arrays[0].ndim < 2:
        return arrays
    longest = max(array.shape[1] for array in arrays)
    tail = [(0, 0)] * (arrays[0].ndim - 2)
    return [np.pad(a, [(0, 0), (0, longest - a.shape[1]), *tail]) for a in arrays]


def _health(
    rewards: np.ndarray, updates: Mapping[str, np.ndarray], counts: np.ndarray
) -> np.ndarray:
    """Non-finite where a step's reward or a metric of its updates is, `(lanes, steps)`; in several
    worlds, where one of its rewards is."""
    of_worlds, learned = rewards.reshape(len(rewards), len(counts), -1), counts > 0
    health: np.ndarray = of_worlds[..., 0] + (0.0 * of_worlds[..., 1:]).sum(2)
    begins = (np.cumsum(counts) - counts)[learned]
    for values in updates.values():
        health[:, learned] += np.add.reduceat(values, begins, axis=1)
    return health
