"""The memory of a lane: what one run costs in memory while it trains, and on disk.

All of it is counted from the declarations before anything is allocated, and as bounds: what a run
may or may not reach (episodes of one step, a full replay) is counted as reached.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from nthrun.agents.registry import agent_footprint
from nthrun.environments.host_environment import SEED_DRAWS
from nthrun.planning.experiment_spec import ExperimentSpec
from nthrun.specs.declaration import Setting
from nthrun.specs.environment_spec import EnvironmentSpec, requested_series
from nthrun.specs.footprint import AgentFootprint
from nthrun.specs.interface import Interface

BLOCK_STEPS = 128
"""The longest block of training steps, drawn ahead and recorded together, and so the steps between
looks at the outside world; part of what a diverged record means."""
ROLLOUT_BLOCK_STEPS = 512
"""The same of an agent that learns after many steps, so that more of them share a block's cost."""
BLOCK_DRAWS = 1 << 21
"""The most numbers drawn ahead for a lane, where a step needs many."""
EVALUATION_STEPS = 32
"""Evaluation steps between looks at whether an episode is still running."""
FLOAT, DOUBLE = 4, 8
GRAPH_COPIES = 4
SAVING_COPIES = 4
"""Copies that writing or reading a checkpoint holds of what it is about [measured: 3 to 4]."""
CHECKPOINT_FILES = 3
"""State files at once: two generations, and one being written."""
LANE_OBJECTS = 16_384
"""Python's objects beside the arrays of one lane: streams, recorder, setting."""
EPISODE_OBJECTS = 100
EVALUATION_OBJECTS = 500
ARRAY_OBJECTS = 160
EVENT = 2 * FLOAT + 2
"""Bytes of a step in the log of events: reward, health, a flag, and how many updates followed."""
ORACLE_BYTES = 310_000_000
"""Bytes held once a process while the best return of an environment is found [measured for GHM's
default bounds: 160 MB with steps of 0.001 years, 303 MB with 0.00012; bounds of 1000 take over
1 GB]."""
REPLAY_DRAW_TEMPORARIES = 4 * DOUBLE
UPDATE_CLOCK = 2 * DOUBLE
"""Numbers of the step and of the update that each of several updates is given."""
RECORD_TEXTS = 8_192
CHECKPOINT_HEADER = 8_192
EVENT_HEADER = 2_048


def block_steps(num_draws: int, longest: int = BLOCK_STEPS) -> int:
    """The longest block of steps, or of updates with noise of their own, that draw so many numbers
    each."""
    return max(1, min(longest, BLOCK_DRAWS // max(1, num_draws)))


@dataclass(frozen=True, slots=True)
class LaneMemory:
    """What one lane of a pack costs, in bytes.

    Attributes:
        agent: what the agent alone costs; its replay is allocated at full capacity, at once.
        state: tensors of agent and environment, the replay apart.
        episode: the part of the state that an episode on the host is made of; it stays there.
        worlds: memory of the worlds on the host.
        steps: numbers drawn and outputs kept of a block, and what an update or an evaluation
            holds for a moment.
        series: what the recorder holds when the run ends.
        saving: copies made of state, replay and series when they are saved or read back.
        filled: the part of the replay that a run fills.
        record: the record on disk, before compression.
        snapshots: all snapshots on disk.
        checkpoint: its part of the checkpoint files at worst.
        once: memory of the host that a process needs once, however many lanes there are.
    """

    agent: AgentFootprint
    state: int
    episode: int
    worlds: int
    steps: int
    series: int
    saving: int
    filled: int
    record: int
    snapshots: int
    checkpoint: int
    once: int = 0

    @property
    def replay(self) -> int:
        """Bytes of the replay at its full capacity."""
        return self.agent.replay_bytes

    @property
    def host(self) -> int:
        """Memory of the host, where device and host are one or where it feeds a device."""
        held = self.state + self.worlds + self.replay
        return held + self.steps + self.series + self.saving

    @property
    def device(self) -> int:
        """Memory of a device of its own: the host keeps the series and makes the copies.

        Two graphs, with and without an update, have a copy of state and replay each, and capturing
        needs one more.
        """
        stepped = self.state - self.episode + self.replay
        return GRAPH_COPIES * stepped + self.steps + self.filled


def lane_memory(spec: ExperimentSpec, setting: Setting) -> LaneMemory:
    """What a run of a setting costs; it depends on the static hyperparameters alone."""
    if spec.agent.program is not None:
        return _program_memory(spec.agent.program.memory_bytes)
    environment = spec.environment
    agent = agent_footprint(spec.agent.declaration, setting, environment)
    worlds = spec.agent.declaration.num_worlds(setting)
    total = environment.integer("total_timesteps")
    episode = _episode_bytes(environment, worlds) if environment.declaration.on_host else 0
    state = agent.state_bytes + (episode or worlds * _environment_bytes(environment.interface))
    filled = min(total, agent.replay_capacity) * agent.replay_row_bytes
    series, num_arrays = _series(environment, agent, worlds)
    evaluations = _num_evaluations(environment) * environment.eval_episodes * 2 * DOUBLE
    events = total * EVENT + series + evaluations
    episodes = _num_episodes(environment)
    objects = episodes * EPISODE_OBJECTS + _num_evaluations(environment) * EVALUATION_OBJECTS
    objects += num_arrays * ARRAY_OBJECTS + LANE_OBJECTS
    of_episode = (3 if worlds > 1 else 2) * DOUBLE
    record = series + evaluations + episodes * of_episode + agent.learned_bytes + RECORD_TEXTS
    return LaneMemory(
        agent=agent,
        state=state,
        episode=episode,
        worlds=worlds * environment.interface.host_bytes if episode else 0,
        steps=_block_bytes(environment, agent, worlds) + _working_bytes(environment, agent),
        series=series + evaluations + objects + agent.learned_bytes,
        saving=SAVING_COPIES * (state + filled + events),
        filled=filled,
        record=record,
        snapshots=_num_snapshots(environment) * (agent.learned_bytes + RECORD_TEXTS),
        checkpoint=_checkpoint_bytes(environment, agent, state, events),
        once=_once_bytes(environment),
    )


def _program_memory(needed: int) -> LaneMemory:
    """What a run of a program costs: what its spec says it needs; nothing is known of its files."""
    host = max(needed, 1)
    return LaneMemory(AgentFootprint(), host, 0, 0, 0, 0, 0, 0, RECORD_TEXTS, 0, 0)


def _once_bytes(spec: EnvironmentSpec) -> int:
    """What finding the best return takes, where evaluations are compared with it."""
    asked = spec.declaration.oracle and spec.eval_episodes and spec.has_own_rewards
    return ORACLE_BYTES if asked else 0


def _environment_bytes(environment: Interface) -> int:
    """Its state, the observation of it, and the step of the episode."""
    return FLOAT * (environment.state_dim + environment.observation_dim) + DOUBLE


def _episode_bytes(spec: EnvironmentSpec, worlds: int) -> int:
    """What episodes on the host are made of: their actions, the observation, seed and step."""
    actions = spec.longest_episode(worlds) * spec.interface.action_dim
    return worlds * (FLOAT * (actions + spec.interface.observation_dim) + 2 * DOUBLE)


def _draws(spec: EnvironmentSpec) -> tuple[int, int]:
    """Numbers that one reset and one step of the environment draw."""
    if spec.declaration.on_host:
        return SEED_DRAWS, 0
    return spec.interface.num_reset_draws, spec.interface.num_step_draws


def _block_bytes(spec: EnvironmentSpec, agent: AgentFootprint, worlds: int) -> int:
    """The noise of a block, and its outputs as tensors and once more as arrays."""
    environment = spec.interface
    start = environment.state_dim + environment.observation_dim
    drawn = agent.num_simulation_draws or worlds * sum(_draws(spec))
    noise = FLOAT * (agent.num_agent_draws + drawn + worlds * start)
    experience = 2 * environment.observation_dim + environment.action_dim + 2
    step = noise + 2 * FLOAT * worlds * (experience + 2)
    update = REPLAY_DRAW_TEMPORARIES * agent.num_replay_draws + 2 * FLOAT * agent.num_metrics
    steps = _block_steps(spec, agent, worlds)
    if not agent.updates_apart:
        return steps * (step + update)
    update += 2 * FLOAT * agent.num_update_draws + 2 * UPDATE_CLOCK
    return steps * step + _block_updates(agent) * update


def _block_steps(spec: EnvironmentSpec, agent: AgentFootprint, worlds: int) -> int:
    """The longest block in steps of the program."""
    drawn = agent.num_simulation_draws or worlds * sum(_draws(spec))
    of_update = 0 if agent.updates_apart else agent.num_replay_draws
    longest = ROLLOUT_BLOCK_STEPS if agent.gathers else BLOCK_STEPS
    return block_steps(agent.num_agent_draws + drawn + of_update, longest)


def _block_updates(agent: AgentFootprint) -> int:
    """The most updates of a block: it ends with the step by which there are enough."""
    enough = block_steps(agent.num_update_draws + agent.num_replay_draws)
    return enough + agent.max_updates - 1


def _working_bytes(spec: EnvironmentSpec, agent: AgentFootprint) -> int:
    """The larger of an update and an evaluation, with its draws as they are stacked and the states
    it keeps on request."""
    shown = 2 * FLOAT * EVALUATION_STEPS * (spec.interface.observation_dim + 2)
    reset, step = _draws(spec)
    drawn = 2 * FLOAT * (reset + EVALUATION_STEPS * (step + agent.num_play_draws))
    acting = spec.eval_episodes * (agent.acting_bytes + shown + drawn)
    if "eval_states" in requested_series(spec.items("record")):
        acting += 2 * _eval_state_bytes(spec)
    return max(agent.update_bytes, acting)


def _series(spec: EnvironmentSpec, agent: AgentFootprint, worlds: int) -> tuple[int, int]:
    """Bytes of the requested series of a whole run, and the number of arrays they come in."""
    observation = FLOAT * spec.interface.observation_dim
    total = spec.integer("total_timesteps")
    updates = total // worlds // agent.update_interval * agent.max_updates / max(1, total)
    per_step = {
        "train_states": observation,
        "train_actions": FLOAT * spec.interface.action_dim,
        "train_rewards": FLOAT,
        "train_next_states": observation,
        "update_indices": DOUBLE * agent.num_replay_draws * updates,
        "metrics": FLOAT * agent.num_metrics * updates,
    }
    wanted = requested_series(spec.items("record"))
    kept = [size for name, size in per_step.items() if name in wanted]
    steps = _block_steps(spec, agent, worlds)
    if agent.updates_apart:
        full = agent.update_interval * _block_updates(agent) // agent.max_updates
        steps = min(steps, max(1, full))
    num_blocks = total // worlds // steps + total // spec.integer("eval_interval_timesteps") + 1
    num_arrays = num_blocks * (len(kept) + agent.num_metrics * ("metrics" in wanted))
    eval_states = _num_evaluations(spec) * _eval_state_bytes(spec) * ("eval_states" in wanted)
    return math.ceil(total * sum(kept)) + eval_states, num_arrays


def _checkpoint_bytes(spec: EnvironmentSpec, agent: AgentFootprint, state: int, events: int) -> int:
    """Files of one attempt, replay logs holding up to twice the capacity, and beside them the first
    checkpoint of the attempt that takes over."""
    total = spec.integer("total_timesteps")
    events += 2 * (total // spec.integer("eval_interval_timesteps") + 1) * EVENT_HEADER
    states = (CHECKPOINT_FILES + 1) * (state + CHECKPOINT_HEADER)
    rows = min(total, 2 * agent.replay_capacity) + min(total, agent.replay_capacity)
    return states + 2 * events + rows * agent.replay_row_bytes


def _eval_state_bytes(spec: EnvironmentSpec) -> int:
    """Observations of one evaluation whose episodes are as long as they may be."""
    steps = spec.eval_episodes * spec.integer("steps_per_episode")
    return FLOAT * steps * spec.interface.observation_dim


def _num_evaluations(spec: EnvironmentSpec) -> int:
    interval = spec.integer("eval_interval_timesteps")
    return spec.integer("total_timesteps") // interval + 1 if spec.eval_episodes else 0


def _num_episodes(spec: EnvironmentSpec) -> int:
    """Training episodes that may end: every step may, where states can be terminal."""
    total, length = spec.integer("total_timesteps"), spec.integer("steps_per_episode")
    if spec.interface.terminates:
        return total
    return total // length if length else 0


def _num_snapshots(spec: EnvironmentSpec) -> int:
    interval = spec.integer("snapshot_interval_timesteps")
    regular = spec.integer("total_timesteps") // interval + 1 if interval else 0
    return regular + len(spec.items("snapshots"))
