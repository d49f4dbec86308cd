"""SAC on Pendulum in plain JAX: the peer that trains packs by vmap.

One run is written as a function of one step; `vmap` stacks runs, `lax.scan` takes a block of steps
in one compiled call, and the state is donated, so that replay is written in place. Random numbers
are drawn a block at a time and hyperparameters are constants of the program. The work of a step is
that of nthrun's SAC: act, step the pendulum, store, and update twin critics, actor, temperature
and target once, from a batch of 32 out of the newest 100,000 steps.

What was tried on a CPU, the fastest being kept: hidden layers wider than 64 are faster unstacked,
so there a pack is one program applied to one run after the other. Not faster were parameters in
one flat block, a critic's head as multiply-and-sum, and unrolled scans; products written as einsum
compile to the same operations. XLA is held to one thread: `XLA_FLAGS` asks for it, and `NPROC`
sizes its thread pools.

    python benchmarks/jax_sac.py
"""

from __future__ import annotations

import math
import os
from functools import partial
from itertools import pairwise
from typing import NamedTuple

import click
import numpy as np

# XLA reads both when it is first imported.
os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
os.environ["NPROC"] = "1"

import jax
import jax.numpy as jnp
from jax import Array, lax

BLOCK_STEPS = 128
BATCH_SIZE = 32
REPLAY_CAPACITY = 100_000
WIDEST_STACKED = 64
"""Units of the widest hidden layers whose runs are stacked by vmap."""
STEPS_PER_EPISODE = 200
LEARNING_RATE = 0.001
GAMMA = 0.99
TAU = 0.005
INITIAL_ALPHA = 0.2
BETA1, BETA2, EPSILON = 0.9, 0.999, 1e-8
OBSERVATION_DIM, ACTION_DIM, NUM_CRITICS = 3, 1, 2
ROW_WIDTH = 2 * OBSERVATION_DIM + ACTION_DIM + 1

Network = list[tuple[Array, Array]]
"""Weight `(in, out)` and bias `(1, out)` of each layer; critics have a leading axis of 2."""


class Learned(NamedTuple):
    """What gradients change; Adam's moments have the same structure."""

    actor: Network
    critic: Network
    log_alpha: Array


class Run(NamedTuple):
    """The state of one run; stacked ones have a leading axis on each array."""

    learned: Learned
    target: Network
    mean: Learned
    square: Learned
    num_updates: Array
    replay: Array
    angle: Array
    speed: Array
    episode_step: Array


class Noise(NamedTuple):
    """The random numbers of one step: uniform on [-1, 1), standard normal, uniform on [0, 1)."""

    start: Array
    normal: Array
    sampled: Array


class Shown(NamedTuple):
    """What a step shows; of a block, `(num_steps, lanes)` each."""

    reward: Array
    ended: Array
    critic_loss: Array
    actor_loss: Array
    entropy: Array


class Pack:
    """Runs trained together.

    Args:
        lanes: how many.
        hidden_dim: width of both hidden layers.
        learning_rate: of critics, actor and temperature.
    """

    def __init__(
        self, lanes: int, hidden_dim: int, learning_rate: float = LEARNING_RATE, seed: int = 0
    ) -> None:
        together = lanes if hidden_dim <= WIDEST_STACKED else 1
        initial = partial(_initial, hidden_dim)
        self._key, *keys = jax.random.split(jax.random.key(seed), 1 + lanes)
        starts = keys if together == 1 else [jnp.stack(keys)]
        start = jax.jit(initial if together == 1 else jax.vmap(initial))
        self._parts = [start(key) for key in starts]
        self._train = jax.jit(partial(_train_block, together, learning_rate), donate_argnums=0)
        self.step = 0

    def train_block(self) -> Shown:
        """Train `BLOCK_STEPS` steps; what they show, on the host."""
        self._key, *keys = jax.random.split(self._key, 1 + len(self._parts))
        shown = []
        for place, key in enumerate(keys):
            self._parts[place], part = self._train(self._parts[place], key, self.step)
            shown.append([np.asarray(values).reshape(BLOCK_STEPS, -1) for values in part])
        self.step += BLOCK_STEPS
        return Shown(*(np.concatenate(values, 1) for values in zip(*shown, strict=True)))


def _train_block(
    lanes: int, learning_rate: float, runs: Run, key: Array, first: Array
) -> tuple[Run, Shown]:
    """A block of steps of stacked runs, or of one run without the leading axis."""
    keys = jax.random.split(key, 3)
    shape = (BLOCK_STEPS, lanes) if lanes > 1 else (BLOCK_STEPS,)
    noise = Noise(
        jax.random.uniform(keys[0], (*shape, 2), minval=-1.0),
        jax.random.normal(keys[1], (*shape, 1 + 2 * BATCH_SIZE, ACTION_DIM)),
        jax.random.uniform(keys[2], (*shape, BATCH_SIZE)),
    )
    one_step = partial(_step, learning_rate)
    if lanes > 1:
        one_step = jax.vmap(one_step, in_axes=(None, 0, 0))
    steps = first + jnp.arange(BLOCK_STEPS)
    return lax.scan(lambda runs, now: one_step(now[0], runs, now[1]), runs, (steps, noise))


def _initial(hidden_dim: int, key: Array) -> Run:
    keys = jax.random.split(key, 3)
    actor = _network(keys[0], (OBSERVATION_DIM, hidden_dim, hidden_dim, 2 * ACTION_DIM))
    widths = (OBSERVATION_DIM + ACTION_DIM, hidden_dim, hidden_dim, 1)
    critic = jax.vmap(lambda key: _network(key, widths))(jax.random.split(keys[1], NUM_CRITICS))
    learned = Learned(actor, critic, jnp.log(INITIAL_ALPHA))
    start = jax.random.uniform(keys[2], (2,), minval=-1.0)
    return Run(
        learned=learned,
        target=jax.tree.map(jnp.copy, critic),
        mean=jax.tree.map(jnp.zeros_like, learned),
        square=jax.tree.map(jnp.zeros_like, learned),
        num_updates=jnp.zeros(()),
        replay=jnp.zeros((REPLAY_CAPACITY, ROW_WIDTH)),
        angle=start[0] * math.pi,
        speed=start[1],
        episode_step=jnp.zeros((), jnp.int32),
    )


def _network(key: Array, widths: tuple[int, ...]) -> Network:
    layers = []
    keys = jax.random.split(key, len(widths) - 1)
    for key_of_layer, (fan_in, fan_out) in zip(keys, pairwise(widths), strict=True):
        bound = math.sqrt(6 / (fan_in + fan_out))
        weight = jax.random.uniform(key_of_layer, (fan_in, fan_out), minval=-bound, maxval=bound)
        layers.append((weight, jnp.zeros((1, fan_out))))
    return layers


def _step(learning_rate: float, step: Array, run: Run, noise: Noise) -> tuple[Run, Shown]:
    """One step of the environment and one update of one run."""
    observation = _observe(run.angle, run.speed)
    action, _ = _sample(run.learned.actor, observation[None], noise.normal[:1])
    angle, speed, reward = _swing(run.angle, run.speed, 2.0 * action[0, 0])
    row = jnp.concatenate((observation, action[0], reward[None], _observe(angle, speed)))
    replay = lax.dynamic_update_slice(run.replay, row[None], (step % REPLAY_CAPACITY, 0))
    ended = run.episode_step + 1 >= STEPS_PER_EPISODE
    run = run._replace(
        replay=replay,
        angle=jnp.where(ended, noise.start[0] * math.pi, angle),
        speed=jnp.where(ended, noise.start[1], speed),
        episode_step=jnp.where(ended, 0, run.episode_step + 1),
    )
    num_stored = jnp.minimum(step + 1, REPLAY_CAPACITY)
    drawn = (noise.sampled * num_stored).astype(jnp.int32)
    batch = replay[jnp.minimum(drawn, num_stored - 1)]
    run, metrics = _update(learning_rate, run, batch, noise.normal[1:])
    return run, Shown(reward, ended, *metrics)


def _observe(angle: Array, speed: Array) -> Array:
    return jnp.stack((jnp.cos(angle), jnp.sin(angle), speed))


def _swing(angle: Array, speed: Array, torque: Array) -> tuple[Array, Array, Array]:
    """Gymnasium's Pendulum-v1: the next angle and speed, and the reward."""
    wrapped = jnp.mod(angle + math.pi, 2.0 * math.pi) - math.pi
    reward = -(wrapped**2 + 0.1 * speed**2 + 0.001 * torque**2)
    speed = jnp.clip(speed + (15.0 * jnp.sin(angle) + 3.0 * torque) * 0.05, -8.0, 8.0)
    return angle + speed * 0.05, speed, reward


def _update(
    learning_rate: float, run: Run, batch: Array, normal: Array
) -> tuple[Run, tuple[Array, Array, Array]]:
    """One update of critics, actor, temperature and target; losses and entropy."""
    ends = np.cumsum((OBSERVATION_DIM, ACTION_DIM, 1))
    observation, action, reward, next_observation = jnp.split(batch, ends, 1)
    alpha = jnp.exp(run.learned.log_alpha)
    next_action, log_density = _sample(run.learned.actor, next_observation, normal[:BATCH_SIZE])
    soft_value = _values(run.target, next_observation, next_action).min(0) - alpha * log_density
    goal = reward[:, 0] + GAMMA * soft_value

    def critic_loss(critic: Network) -> Array:
        return ((_values(critic, observation, action) - goal) ** 2).sum() / BATCH_SIZE

    run = run._replace(num_updates=run.num_updates + 1.0)
    loss_of_critic, slope = jax.value_and_grad(critic_loss)(run.learned.critic)
    run = _descend(learning_rate, run, "critic", slope)
    critic = run.learned.critic

    def actor_loss(actor: Network) -> tuple[Array, Array]:
        action, log_density = _sample(actor, observation, normal[BATCH_SIZE:])
        value = _values(critic, observation, action).min(0)
        return (alpha * log_density - value).mean(), -log_density.mean()

    losses = jax.value_and_grad(actor_loss, has_aux=True)
    (loss_of_actor, entropy), slope = losses(run.learned.actor)
    run = _descend(learning_rate, run, "actor", slope)
    run = _descend(learning_rate, run, "log_alpha", entropy + ACTION_DIM)
    target = jax.tree.map(lambda old, new: old + TAU * (new - old), run.target, critic)
    return run._replace(target=target), (loss_of_critic, loss_of_actor, entropy)


def _descend(learning_rate: float, run: Run, name: str, slope: Network | Array) -> Run:
    """One step of Adam on the actor, the critics or the temperature."""
    parameters, mean, square = (getattr(part, name) for part in (run.learned, run.mean, run.square))
    root = jnp.sqrt(1.0 - BETA2**run.num_updates)
    scale = learning_rate * root / (1.0 - BETA1**run.num_updates)
    mean = jax.tree.map(lambda m, g: m + (1.0 - BETA1) * (g - m), mean, slope)
    square = jax.tree.map(lambda v, g: v + (1.0 - BETA2) * (g * g - v), square, slope)
    parameters = jax.tree.map(
        lambda p, m, v: p - scale * m / (jnp.sqrt(v) + EPSILON * root), parameters, mean, square
    )
    return run._replace(
        learned=run.learned._replace(**{name: parameters}),
        mean=run.mean._replace(**{name: mean}),
        square=run.square._replace(**{name: square}),
    )


def _sample(actor: Network, observation: Array, normal: Array) -> tuple[Array, Array]:
    """A squashed Gaussian action `(batch, 1)` and its log-density `(batch,)`."""
    mean, log_std = jnp.split(_apply(actor, observation), 2, 1)
    unsquashed = mean + jnp.exp(log_std) * normal
    size = jnp.abs(unsquashed)
    log_cosh = size + jnp.log1p(jnp.exp(-2.0 * size)) - math.log(2.0)
    log_normal = -0.5 * normal**2 - log_std - 0.5 * math.log(2.0 * math.pi)
    return jnp.tanh(unsquashed), (log_normal + 2.0 * log_cosh).sum(1)


def _values(critics: Network, observation: Array, action: Array) -> Array:
    """Both critics, `(2, batch)`."""
    inputs = jnp.concatenate((observation, action), 1)
    return jax.vmap(_apply, in_axes=(0, None))(critics, inputs)[..., 0]


def _apply(network: Network, inputs: Array) -> Array:
    *hidden, (weight, bias) = network
    for hidden_weight, hidden_bias in hidden:
        inputs = jax.nn.relu(inputs @ hidden_weight + hidden_bias)
    return inputs @ weight + bias


@click.command()
@click.option("--steps", default=10_000, show_default=True, help="Steps of each run.")
@click.option("--lanes", default=4, show_default=True, help="Runs.")
@click.option("--hidden", default=64, show_default=True, help="Width of the hidden layers.")
@click.option("--learning-rate", default=LEARNING_RATE, show_default=True)
def main(steps: int, lanes: int, hidden: int, learning_rate: float) -> None:
    """Print the mean return of each run's last 10 episodes: that the peer learns, too."""
    pack = Pack(lanes, hidden, learning_rate)
    rewards = []
    while pack.step < steps:
        rewards.append(pack.train_block().reward)
    num_episodes = steps // STEPS_PER_EPISODE
    taken = np.concatenate(rewards)[: num_episodes * STEPS_PER_EPISODE]
    returns = taken.reshape(num_episodes, STEPS_PER_EPISODE, lanes).sum(1)
    click.echo(f"JAX {jax.__version__}, {steps} steps, mean return of the last 10 episodes:")
    click.echo("  ".join(f"{value:.0f}" for value in returns[-10:].mean(0)))


if __name__ == "__main__":
    main()
