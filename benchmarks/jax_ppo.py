"""PPO on CartPole in plain JAX, in the manner of PureJaxRL: the peer that trains packs by vmap.

One rollout and its updates are one function of a run's state: `lax.scan` over steps, over them
backwards for the advantages, over epochs and over their batches, which are cut from a permutation.
`vmap` stacks worlds within a run and runs within a pack, the whole is compiled once, and the state
is donated. The work is that of nthrun's PPO: networks of tanh for policy and value, one Adam
with a bound on the gradient's length, advantages standardised in each batch, values of the last
observation of a truncated episode. XLA is held to one thread, as in `jax_sac`.

    python benchmarks/jax_ppo.py
"""

from __future__ import annotations

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

GAMMA, LAMBDA, CLIP, VALUE_WEIGHT, MAX_NORM = 0.99, 0.95, 0.2, 0.5, 0.5
BETA1, BETA2, EPSILON, LEARNING_RATE = 0.9, 0.999, 1e-5, 3e-4
WIDTH, OBSERVATION_DIM, NUM_ACTIONS, STEPS_PER_EPISODE = 64, 4, 2, 500

Network = list[tuple[Array, Array]]


class Sizes(NamedTuple):
    """Of a rollout and its updates."""

    worlds: int = 1
    n_steps: int = 2048
    batch_size: int = 64
    n_epochs: int = 10


class World(NamedTuple):
    """A cart, `(4,)`, and the steps of its episode."""

    cart: Array
    episode_step: Array


class Run(NamedTuple):
    """The state of one run; stacked ones have a leading axis on each array."""

    networks: tuple[Network, Network]
    mean: tuple[Network, Network]
    square: tuple[Network, Network]
    num_updates: Array
    worlds: World
    key: Array


class Step(NamedTuple):
    """One step of every world, and of a rollout one behind the other."""

    observation: Array
    action: Array
    log_density: Array
    value: Array
    next_value: Array
    reward: Array
    ended: Array


class Pack:
    """Runs trained together.

    Args:
        lanes: how many.
        sizes: of their rollouts.
    """

    def __init__(self, lanes: int, sizes: Sizes, seed: int = 0) -> None:
        keys = jax.random.split(jax.random.key(seed), lanes)
        self._runs = jax.jit(jax.vmap(partial(_initial, sizes)))(keys)
        self._train = jax.jit(jax.vmap(partial(_rollout_and_updates, sizes)), donate_argnums=0)

    def train_rollout(self) -> tuple[np.ndarray, np.ndarray]:
        """Train one rollout; rewards and ends, `(lanes, n_steps, worlds)`, on the host."""
        self._runs, (reward, ended) = self._train(self._runs)
        return np.asarray(reward), np.asarray(ended)


def _initial(sizes: Sizes, key: Array) -> Run:
    keys = jax.random.split(key, 4)
    networks = (_network(keys[0], NUM_ACTIONS, 0.01), _network(keys[1], 1, 1.0))
    nothing = jax.tree.map(jnp.zeros_like, networks)
    worlds = jax.vmap(_start)(jax.random.split(keys[2], sizes.worlds))
    again = jax.tree.map(jnp.zeros_like, networks)
    return Run(networks, nothing, again, jnp.zeros(()), worlds, keys[3])


def _network(key: Array, outputs: int, scale: float) -> Network:
    widths = (OBSERVATION_DIM, WIDTH, WIDTH, outputs)
    scales = (2**0.5, 2**0.5, scale)
    layers = []
    keys = jax.random.split(key, 3)
    for key_of_layer, shape, gain in zip(keys, pairwise(widths), scales, strict=True):
        weight = jax.nn.initializers.orthogonal(gain)(key_of_layer, shape)
        layers.append((weight, jnp.zeros(shape[1])))
    return layers


def _apply(network: Network, inputs: Array) -> Array:
    *hidden, (weight, bias) = network
    for hidden_weight, hidden_bias in hidden:
        inputs = jnp.tanh(inputs @ hidden_weight + hidden_bias)
    return inputs @ weight + bias


def _start(key: Array) -> World:
    cart = jax.random.uniform(key, (4,), minval=-0.05, maxval=0.05)
    return World(cart, jnp.zeros((), jnp.int32))


def _push(cart: Array, action: Array) -> tuple[Array, Array]:
    """Gymnasium's CartPole-v1: the next cart, and whether it has fallen."""
    _, speed, angle, turning = cart
    force = jnp.where(action == 1, 10.0, -10.0)
    pull = (force + 0.05 * turning**2 * jnp.sin(angle)) / 1.1
    inertia = 0.5 * (4.0 / 3.0 - 0.1 * jnp.cos(angle) ** 2 / 1.1)
    turned = (9.8 * jnp.sin(angle) - jnp.cos(angle) * pull) / inertia
    pushed = pull - 0.05 * turned * jnp.cos(angle) / 1.1
    change = jnp.stack((speed, pushed, turning, turned))
    following = cart + 0.02 * change
    fallen = (jnp.abs(following[0]) > 2.4) | (jnp.abs(following[2]) > 0.2094395)
    return following, fallen


def _rollout_and_updates(sizes: Sizes, run: Run) -> tuple[Run, tuple[Array, Array]]:
    """One rollout of one run, and all updates that follow it."""
    key, acting, ordering = jax.random.split(run.key, 3)
    step = partial(_step, run.networks)
    worlds, steps = lax.scan(step, run.worlds, jax.random.split(acting, sizes.n_steps))
    advantage = _advantages(steps)
    table = (steps.observation, steps.action, steps.log_density, advantage, advantage + steps.value)
    flat = jax.tree.map(lambda part: part.reshape(-1, *part.shape[2:]), table)
    learning = run._replace(worlds=worlds, key=key)
    epoch = partial(_epoch, sizes, flat)
    learned, _ = lax.scan(epoch, learning, jax.random.split(ordering, sizes.n_epochs))
    return learned, (steps.reward, steps.ended)


def _step(networks: tuple[Network, Network], worlds: World, key: Array) -> tuple[World, Step]:
    """One step of every world, `(worlds, ...)` each."""
    acting, starting = jax.random.split(key)
    logits = _apply(networks[0], worlds.cart)
    action = jax.random.categorical(acting, logits)
    density = jnp.take_along_axis(jax.nn.log_softmax(logits), action[:, None], 1)[:, 0]
    following, fallen = jax.vmap(_push)(worlds.cart, action)
    ended = fallen | (worlds.episode_step + 1 >= STEPS_PER_EPISODE)
    fresh = jax.vmap(_start)(jax.random.split(starting, len(action)))
    moved = World(following, worlds.episode_step + 1)
    after = jax.tree.map(
        lambda new, old: jnp.where(ended.reshape(-1, *[1] * (new.ndim - 1)), new, old), fresh, moved
    )
    value, next_value = (_apply(networks[1], cart)[:, 0] for cart in (worlds.cart, following))
    next_value = jnp.where(fallen, 0.0, next_value)
    reward = jnp.ones_like(value)
    return after, Step(worlds.cart, action, density, value, next_value, reward, ended)


def _advantages(steps: Step) -> Array:
    error = steps.reward + GAMMA * steps.next_value - steps.value
    decay = GAMMA * LAMBDA * (1.0 - steps.ended)

    def back(later: Array, now: tuple[Array, Array]) -> tuple[Array, Array]:
        advantage = now[0] + now[1] * later
        return advantage, advantage

    return lax.scan(back, jnp.zeros_like(error[0]), (error, decay), reverse=True)[1]


def _epoch(sizes: Sizes, table: tuple[Array, ...], run: Run, key: Array) -> tuple[Run, None]:
    """All batches of a rollout in a new order."""
    order = jax.random.permutation(key, sizes.worlds * sizes.n_steps)
    batches = jax.tree.map(
        lambda part: part[order].reshape(-1, sizes.batch_size, *part.shape[1:]), table
    )
    return lax.scan(_update, run, batches)


def _update(run: Run, batch: tuple[Array, ...]) -> tuple[Run, None]:
    """One step of Adam on a batch."""
    slope = jax.grad(_loss)(run.networks, *batch)
    norm = jnp.sqrt(sum(jnp.sum(part * part) for part in jax.tree.leaves(slope)))
    share = jnp.minimum(1.0, MAX_NORM / (norm + 1e-6))
    slope = jax.tree.map(lambda part: share * part, slope)
    count = run.num_updates + 1.0
    root = jnp.sqrt(1.0 - BETA2**count)
    scale = LEARNING_RATE * root / (1.0 - BETA1**count)
    mean = jax.tree.map(lambda m, g: m + (1.0 - BETA1) * (g - m), run.mean, slope)
    square = jax.tree.map(lambda v, g: v + (1.0 - BETA2) * (g * g - v), run.square, slope)
    networks = jax.tree.map(
        lambda p, m, v: p - scale * m / (jnp.sqrt(v) + EPSILON * root), run.networks, mean, square
    )
    return run._replace(networks=networks, mean=mean, square=square, num_updates=count), None


def _loss(
    networks: tuple[Network, Network],
    observation: Array,
    action: Array,
    old: Array,
    advantage: Array,
    target: Array,
) -> Array:
    advantage = (advantage - advantage.mean()) / (advantage.std(ddof=1) + 1e-8)
    log_density = jax.nn.log_softmax(_apply(networks[0], observation))
    ratio = jnp.exp(jnp.take_along_axis(log_density, action[:, None], 1)[:, 0] - old)
    near = jnp.clip(ratio, 1.0 - CLIP, 1.0 + CLIP)
    gain = jnp.minimum(ratio * advantage, near * advantage).mean()
    value = _apply(networks[1], observation)[:, 0]
    return VALUE_WEIGHT * ((value - target) ** 2).mean() - gain


@click.command()
@click.option("--rollouts", default=10, show_default=True, help="Of each run.")
@click.option("--lanes", default=4, show_default=True, help="Runs.")
def main(rollouts: int, lanes: int) -> None:
    """Print the mean steps of an episode in each run's last rollout: that the peer learns, too."""
    pack = Pack(lanes, Sizes())
    for _ in range(rollouts):
        _, ended = pack.train_rollout()
    lengths = ended.shape[1] / np.maximum(1, ended.sum((1, 2)))
    click.echo(f"JAX {jax.__version__}, {rollouts} rollouts, steps of an episode in the last one:")
    click.echo("  ".join(f"{length:.0f}" for length in lengths))


if __name__ == "__main__":
    main()
