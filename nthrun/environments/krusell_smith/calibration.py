"""Calibrations of the economies of Krusell and Smith, and the economies that they give.

`ChosenLabourCalibration` has the default numbers of a published economy with chosen labour and
independent productivity; `GivenLabourCalibration` those of Krusell and Smith (1998), and with a
benefit those of den Haan, Judd and Juillard (2010), Computational suite of models with
heterogeneous agents: Incomplete markets and aggregate uncertainty, JEDC 34(1).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from nthrun.environments.krusell_smith.economy import ChosenLabour, Economy, GivenLabour
from nthrun.environments.markov_chains import Array, rouwenhorst_transition


@dataclass(frozen=True, slots=True)
class ChosenLabourCalibration:
    """An economy in which labour is chosen.

    Attributes:
        beta, sigma, alpha, delta: see `Economy`.
        psi, theta: of the disutility of labour.
        mu_z, sigma_z: mean and deviation of log productivity z, drawn anew every period.
        productivity_nodes: nodes of Gauss and Hermite that z takes, of their weights.
        rho_tfp, sigma_tfp: log Z' = ρ log Z + σ ε.
        tfp_states: of Rouwenhorst's chain of log Z.
        z_values, z_shares: what z takes instead, and how often; empty is Gauss and Hermite.
        tfp_values, tfp_transition: the chain of Z instead, its rows one after the other; empty is
            Rouwenhorst's.
    """

    beta: float = 0.895
    sigma: float = 2.0
    alpha: float = 0.34
    delta: float = 0.06
    psi: float = 1.5
    theta: float = 0.32
    mu_z: float = 0.0
    sigma_z: float = 0.05
    productivity_nodes: int = 7
    rho_tfp: float = 0.95
    sigma_tfp: float = 0.025
    tfp_states: int = 5
    z_values: tuple[float, ...] = ()
    z_shares: tuple[float, ...] = ()
    tfp_values: tuple[float, ...] = ()
    tfp_transition: tuple[float, ...] = ()

    def economy(self) -> Economy:
        """The economy."""
        tfp, rows = self._tfp()
        productivity, weights = self._productivity()
        labour = ChosenLabour(self.psi, self.theta, self.alpha, productivity, weights)
        joint = np.einsum("st,j->stj", rows, weights)[:, None].repeat(len(weights), axis=1)
        shares = np.tile(weights, (len(tfp), 1))
        numbers = (self.beta, self.sigma, self.alpha, self.delta)
        return Economy(*numbers, tfp, rows, joint, shares, labour)

    def _tfp(self) -> tuple[Array, Array]:
        if self.tfp_values:
            count = len(self.tfp_values)
            return np.array(self.tfp_values), np.array(self.tfp_transition).reshape(count, count)
        width = math.sqrt(self.tfp_states - 1) * self.sigma_tfp / math.sqrt(1 - self.rho_tfp**2)
        logs = np.linspace(-width, width, self.tfp_states)
        return np.exp(logs), rouwenhorst_transition(self.rho_tfp, self.tfp_states)

    def _productivity(self) -> tuple[Array, Array]:
        if self.z_values:
            return np.array(self.z_values), np.array(self.z_shares)
        nodes, weights = np.polynomial.hermite.hermgauss(self.productivity_nodes)
        values = np.exp(self.mu_z + math.sqrt(2) * self.sigma_z * nodes)
        return values, weights / weights.sum()


@dataclass(frozen=True, slots=True)
class GivenLabourCalibration:
    """The textbook's economy: two states of Z, and unemployment that is exact in each.

    Attributes:
        beta, sigma, alpha, delta: see `Economy`.
        tfp_bad, tfp_good: Z.
        duration_bad, duration_good: mean periods that a state lasts, > 1.
        unemployment_bad, unemployment_good: shares without work.
        spell_bad, spell_good: mean periods without work while the state lasts, > 1.
        worsening, improving: chances to stay without work when the state turns bad and good, as
            multiples of those while it stays bad and good.
        hours_at_work: l̄.
        benefit: μ.
    """

    beta: float = 0.99
    sigma: float = 1.0
    alpha: float = 0.36
    delta: float = 0.025
    tfp_bad: float = 0.99
    tfp_good: float = 1.01
    duration_bad: float = 8.0
    duration_good: float = 8.0
    unemployment_bad: float = 0.10
    unemployment_good: float = 0.04
    spell_bad: float = 2.5
    spell_good: float = 1.5
    worsening: float = 1.25
    improving: float = 0.75
    hours_at_work: float = 0.3271
    benefit: float = 0.0

    def economy(self) -> Economy:
        """The economy, whose states are bad and good."""
        leaves = 1 / np.array([self.duration_bad, self.duration_good])
        rows = np.array([[1 - leaves[0], leaves[0]], [leaves[1], 1 - leaves[1]]])
        unemployment = np.array([self.unemployment_bad, self.unemployment_good])
        joint = np.einsum("st,skti->skti", rows, self._kinds(unemployment))
        shares = np.stack([unemployment, 1 - unemployment], 1)
        labour = GivenLabour(self.hours_at_work, self.benefit, unemployment)
        numbers = (self.beta, self.sigma, self.alpha, self.delta)
        tfp = np.array([self.tfp_bad, self.tfp_good])
        return Economy(*numbers, tfp, rows, joint, shares, labour)

    def _kinds(self, unemployment: Array) -> Array:
        """Probabilities of the next kind, `(state, kind, next state, next kind)`."""
        bad, good = 1 - 1 / self.spell_bad, 1 - 1 / self.spell_good
        stay = np.array([[bad, self.improving * good], [self.worsening * bad, good]])
        before, after = unemployment[:, None], unemployment[None, :]
        lose = (after - before * stay) / (1 - before)
        out_of_work = np.stack([stay, lose], 1)  # state, kind, next state
        return np.stack([out_of_work, 1 - out_of_work], -1)
