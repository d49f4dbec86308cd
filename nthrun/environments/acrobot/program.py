"""Acrobots as tensor programs.

The equations and constants are those of Gymnasium's `Acrobot-v1` with the dynamics of Sutton and
Barto's book, integrated over 0.2 seconds by one step of the classical Runge-Kutta method, so a step
agrees with Gymnasium's to rounding (tests/environments/test_acrobot.py states the tolerances).
Masses, lengths and moments of inertia are 1 and centres of mass at 1/2, so that with torque u

    d₁ = 7/2 + cos θ₂        φ₁ = -(θ̇₂/2 + θ̇₁) θ̇₂ sin θ₂ + 3g/2 sin θ₁ + φ₂
    d₂ = 5/4 + cos θ₂ / 2    φ₂ = g/2 sin(θ₁ + θ₂)
    θ̈₂ = (u + φ₁ d₂/d₁ - θ̇₁²/2 sin θ₂ - φ₂) / (5/4 - d₂²/d₁)
    θ̈₁ = -(d₂ θ̈₂ + φ₁) / d₁
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from nthrun.environments.base import Transition
from nthrun.environments.tensors import same_start_states, start_states, wrap
from nthrun.specs.environment_spec import EnvironmentSpec

GRAVITY = 9.8
TIME_STEP_SECONDS = 0.2
MAX_SPEED_1, MAX_SPEED_2 = 4.0 * math.pi, 9.0 * math.pi
LINE = 1.0
"""The height, in lengths of a link, above which the tip has arrived."""


class Acrobot:
    """State (θ₁ from hanging down, θ₂ from the first link, θ̇₁, θ̇₂), angles on [-π, π); observation
    (cos θ₁, sin θ₁, cos θ₂, sin θ₂, θ̇₁, θ̇₂); the reward is -1 a step, and 0 at the goal."""

    def __init__(self, spec: EnvironmentSpec) -> None:
        self._spec = spec
        self._discrete = spec.interface.discrete

    def reset(self, draws: Tensor) -> Tensor:
        """Every number uniform on [-0.1, 0.1), or the spec's start state."""
        return start_states(self._spec, 0.2 * draws - 0.1)

    def observe(self, state: Tensor) -> Tensor:
        """(cos θ₁, sin θ₁, cos θ₂, sin θ₂, θ̇₁, θ̇₂)."""
        first, second, speeds = state.split((1, 1, 2), -1)
        return torch.cat((first.cos(), first.sin(), second.cos(), second.sin(), speeds), -1)

    def step(self, state: Tensor, action: Tensor, draws: Tensor) -> Transition:
        """Apply a torque, of number 0, 1, 2 or in [-1, 1]; terminates with the tip above a line."""
        new_state = self._swung(state, action)
        terminated = (height(new_state) > LINE).to(state.dtype)
        return Transition(new_state, terminated - 1.0, terminated)

    def _swung(self, state: Tensor, action: Tensor) -> Tensor:
        torque = action - 1.0 if self._discrete else action
        first, second, speed_1, speed_2 = integrated(state, torque).split(1, -1)
        return torch.cat(
            (
                wrap(first),
                wrap(second),
                speed_1.clamp(-MAX_SPEED_1, MAX_SPEED_1),
                speed_2.clamp(-MAX_SPEED_2, MAX_SPEED_2),
            ),
            -1,
        )


class DenseAcrobot(Acrobot):
    """The same with the reward height' - 2."""

    def step(self, state: Tensor, action: Tensor, draws: Tensor) -> Transition:
        """Apply a torque, of number 0, 1, 2 or in [-1, 1]; terminates with the tip above a line."""
        new_state = self._swung(state, action)
        tip = height(new_state)
        return Transition(new_state, tip - 2.0, (tip > LINE).to(state.dtype))


class AngleAcrobot(Acrobot):
    """The same from rest, hanging down, observed as it is: (θ₁, θ₂, θ̇₁, θ̇₂)."""

    def reset(self, draws: Tensor) -> Tensor:
        """All four numbers 0, or the spec's start state."""
        return same_start_states(self._spec, draws, 0.0, 0.0, 0.0, 0.0)

    def observe(self, state: Tensor) -> Tensor:
        """The state."""
        return state


class DenseAngleAcrobot(AngleAcrobot):
    """The same with the reward height' - 1."""

    def step(self, state: Tensor, action: Tensor, draws: Tensor) -> Transition:
        """Apply a torque, of number 0, 1, 2 or in [-1, 1]; terminates with the tip above a line."""
        new_state = self._swung(state, action)
        tip = height(new_state)
        return Transition(new_state, tip - LINE, (tip > LINE).to(state.dtype))


def height(state: Tensor) -> Tensor:
    """The tip above the base, -cos θ₁ - cos(θ₁ + θ₂), in lengths of a link, `(..., 1)`."""
    first, second, _ = state.split((1, 1, 2), -1)
    return -torch.cos(first) - torch.cos(first + second)


def slope(state: Tensor, torque: Tensor) -> Tensor:
    """The state's change a second, (θ̇₁, θ̇₂, θ̈₁, θ̈₂)."""
    first, second, speed_1, speed_2 = state.split(1, -1)
    sine, cosine = second.sin(), second.cos()
    d1 = 3.5 + cosine
    d2 = 1.25 + 0.5 * cosine
    phi2 = 0.5 * GRAVITY * torch.sin(first + second)
    phi1 = -(0.5 * speed_2 + speed_1) * speed_2 * sine + 1.5 * GRAVITY * first.sin() + phi2
    ratio = d2 / d1
    push = torque + ratio * phi1 - 0.5 * (speed_1 * speed_1) * sine - phi2
    acceleration_2 = push / (1.25 - d2 * ratio)
    acceleration_1 = -(d2 * acceleration_2 + phi1) / d1
    return torch.cat((speed_1, speed_2, acceleration_1, acceleration_2), -1)


def integrated(state: Tensor, torque: Tensor) -> Tensor:
    """The state after one Runge-Kutta step, neither wrapped nor bounded."""
    half = TIME_STEP_SECONDS / 2.0
    k1 = slope(state, torque)
    k2 = slope(state + half * k1, torque)
    k3 = slope(state + half * k2, torque)
    k4 = slope(state + TIME_STEP_SECONDS * k3, torque)
    return state + TIME_STEP_SECONDS / 6.0 * (k1 + 2.0 * k2 + 2.0 * k3 + k4)
