"""Calibrations of the economies of Krusell and Smith, and the economies that they give.

`ChosenLabourCalibration` has the default numbers of a published economy with chosen labour and
independent productivity; `GivenLabourCalibration` those of Krusell and Smith (1998), and with a
benefit those of den Haan, Judd and Juillard (2010), Computational suite of models with
heterogeneous agents: Incomplete markets and aggregate uncertainty, JEDC 34(1).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields

import numpy as np

from nthrun.environments.krusell_smith.economy import ChosenLabour, Economy, GivenLabour
from nthrun.environments.markov_chains import Array, rouwenhorst_transition
from nthrun.errors import Fault

LEAST_CAPITAL, MOST_CAPITAL = 1e-4, 1e6
"""Between which K per household with complete markets has to lie, for float32 to tell households'
wealth apart."""
LEAST_DISTANCE = 1e-5
"""By what share of themselves states of Z, and kinds of households, have to differ."""
ROUNDING = 1e-6
"""By how much probabilities may miss the sum 1, as numbers of a few digits do; they are scaled."""
MOST_AVERSION = 6.0
"""Highest σ."""
MOST_STATES = 21
"""Of Z, and kinds of households, that a calibration can have."""


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
        z_values, z_shares: what z takes instead, rising, and how often; empty is Gauss and Hermite.
        tfp_values, tfp_transition: the chain of Z instead, rising, its rows one after the other;
            empty is Rouwenhorst's.
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

    def faults(self) -> list[Fault]:
        """What keeps it from being an economy, by the names of its attributes."""
        found = [*_shared_faults(self), *self._range_faults(), *self._other_faults()]
        found = found or [*self._tfp_faults(), *self._productivity_faults()]
        return found or list(_economy_faults(self))

    def _range_faults(self) -> Iterator[Fault]:
        cost, risk = "labour has a cost that rises with it", "1e-3 is next to none"
        for name, hint in (("psi", cost), ("theta", cost), ("sigma_z", risk), ("sigma_tfp", risk)):
            yield from _unless(getattr(self, name) > 0, name, getattr(self, name), "(0, ∞)", hint)
        hint = "beyond, log Z has no distribution in the long run"
        yield from _unless(-1 < self.rho_tfp < 1, "rho_tfp", self.rho_tfp, "(-1, 1)", hint)
        for name, hint in (
            ("tfp_states", "5 are usual; write tfp_values for a chain of your own"),
            ("productivity_nodes", "7 are usual; write z_values for values of your own"),
        ):
            number, allowed = getattr(self, name), f"2 to {MOST_STATES}"
            yield from _unless(2 <= number <= MOST_STATES, name, number, allowed, hint)

    def _other_faults(self) -> Iterator[Fault]:
        """Numbers of a process beside the values that stand in its place."""
        for replaced, values in (
            (("rho_tfp", "sigma_tfp", "tfp_states"), "tfp_values"),
            (("mu_z", "sigma_z", "productivity_nodes"), "z_values"),
        ):
            for field in fields(self):
                number = getattr(self, field.name)
                if field.name in replaced and getattr(self, values) and number != field.default:
                    problem = f"got {number:g} beside {values}, which stand in its place"
                    yield Fault("", field.name, f"{problem}, allowed: one of both", "leave one out")

    def _tfp_faults(self) -> Iterator[Fault]:
        yield from _rising_faults("tfp_values", self.tfp_values)
        count, given = len(self.tfp_values), len(self.tfp_transition)
        if given != count**2:
            problem = f"got {given} numbers, allowed: {count**2}, as tfp_values has {count}"
            hint = "write the rows one after the other, from a state to every state"
            yield Fault("", "tfp_transition", problem, hint)
            return
        rows = np.array(self.tfp_transition).reshape(count, count)
        for state, row in enumerate(rows):
            allowed = "probabilities of sum 1"
            yield from _share_faults("tfp_transition", row, f"row {state} is", allowed)
        if count and rows.min() >= 0:
            yield from _connection_faults(rows)

    def _productivity_faults(self) -> Iterator[Fault]:
        yield from _rising_faults("z_values", self.z_values)
        count, given = len(self.z_values), len(self.z_shares)
        if count != given:
            problem = f"got {given} numbers, allowed: {count}, as z_values has {count}"
            yield Fault("", "z_shares", problem, "give each z its share of households")
        elif count:
            yield from _share_faults("z_shares", np.array(self.z_shares), "got", "shares of sum 1")

    def _tfp(self) -> tuple[Array, Array]:
        if self.tfp_values:
            count = len(self.tfp_values)
            rows = np.array(self.tfp_transition).reshape(count, count)
            return np.array(self.tfp_values), rows / rows.sum(1, keepdims=True)
        width = math.sqrt(self.tfp_states - 1) * self.sigma_tfp / math.sqrt(1 - self.rho_tfp**2)
        logs = np.linspace(-width, width, self.tfp_states)
        return np.exp(logs), rouwenhorst_transition(self.rho_tfp, self.tfp_states)

    def _productivity(self) -> tuple[Array, Array]:
        if self.z_values:
            return np.array(self.z_values), np.array(self.z_shares) / sum(self.z_shares)
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

    def faults(self) -> list[Fault]:
        """What keeps it from being an economy, by the names of its attributes."""
        found = [*_shared_faults(self), *self._range_faults()]
        return found or list(self._chance_faults()) or list(_economy_faults(self))

    def _range_faults(self) -> Iterator[Fault]:
        rising = 0 < self.tfp_bad < self.tfp_good
        allowed = f"above 0 and below tfp_good, which is {self.tfp_good:g}"
        yield from _unless(rising, "tfp_bad", self.tfp_bad, allowed, "lower it, or raise tfp_good")
        for name in ("duration_bad", "duration_good", "spell_bad", "spell_good"):
            number, hint = getattr(self, name), "it is a mean number of periods, and more than one"
            yield from _unless(number > 1, name, number, "(1, ∞)", hint)
        for name in ("unemployment_bad", "unemployment_good"):
            number, hint = getattr(self, name), "it is a share of households: 10 % of them are 0.1"
            yield from _unless(0 < number < 1, name, number, "(0, 1)", hint)
        for name in ("worsening", "improving"):
            number, hint = getattr(self, name), "it multiplies a chance; 1 leaves it as it is"
            yield from _unless(number >= 0, name, number, "[0, ∞)", hint)
        hours, benefit = self.hours_at_work, self.benefit
        hint = "it is what one at work works; others work nothing"
        yield from _unless(hours > 0, "hours_at_work", hours, "(0, ∞)", hint)
        hint = "it is a share of the wage that those without work get; 0 is nothing"
        yield from _unless(0 <= benefit < 1, "benefit", benefit, "[0, 1)", hint)

    def _chance_faults(self) -> Iterator[Fault]:
        """Of the numbers together: chances outside [0, 1], and a tax that leaves nothing."""
        unemployment = (self.unemployment_bad, self.unemployment_good)
        chances, times = self._kinds(np.array(unemployment))[..., 0], ("bad", "good")
        for state, kind, after in np.argwhere((chances < 0) | (chances > 1))[:1]:
            does = "lose work" if kind else "stay without work"
            move = f"as times go from {times[state]} to {times[after]}"
            told = f"is {chances[state, kind, after]:.4g}, allowed: [0, 1]"
            shares = f"got {unemployment[0]:g} and unemployment_good {unemployment[1]:g}"
            hint = "change the shares towards each other, or spells, worsening and improving"
            problem = f"{shares}, with which the chance to {does} {move} {told}"
            yield Fault("", "unemployment_bad", problem, hint)
        highest = max(unemployment)
        most = self.hours_at_work * (1 - highest) / highest
        hint = "lower it: those at work pay it, and would keep nothing"
        yield from _unless(self.benefit < most, "benefit", self.benefit, f"below {most:g}", hint)

    def _kinds(self, unemployment: Array) -> Array:
        """Probabilities of the next kind, `(state, kind, next state, next kind)`."""
        bad, good = 1 - 1 / self.spell_bad, 1 - 1 / self.spell_good
        stay = np.array([[bad, self.improving * good], [self.worsening * bad, good]])
        before, after = unemployment[:, None], unemployment[None, :]
        lose = (after - before * stay) / (1 - before)
        out_of_work = np.stack([stay, lose], 1)  # state, kind, next state
        return np.stack([out_of_work, 1 - out_of_work], -1)


Calibration = ChosenLabourCalibration | GivenLabourCalibration
PRESETS: Mapping[str, Calibration] = {
    "ghh": ChosenLabourCalibration(),
    "ks98": GivenLabourCalibration(),
    "jedc": GivenLabourCalibration(hours_at_work=1 / 0.9, benefit=0.15),
}
"""The published calibrations."""


def _unless(holds: bool, name: str, number: float, allowed: str, hint: str) -> Iterator[Fault]:
    if not holds:
        yield Fault("", name, f"got {number:g}, allowed: {allowed}", hint)


def _shared_faults(calibration: Calibration) -> Iterator[Fault]:
    for name, hint in (
        ("beta", "at β >= 1 wealth grows without bound at every interest rate >= 0"),
        ("alpha", "it is the share of output that goes to capital, such as 0.36"),
    ):
        number = getattr(calibration, name)
        yield from _unless(0 < number < 1, name, number, "(0, 1)", hint)
    sigma, hint = calibration.sigma, "float32 holds no utility of very little beyond"
    yield from _unless(0 < sigma <= MOST_AVERSION, "sigma", sigma, f"(0, {MOST_AVERSION:g}]", hint)
    delta, hint = calibration.delta, "it is the share of capital that wears out in a period"
    yield from _unless(0 <= delta <= 1, "delta", delta, "[0, 1]", hint)


def _rising_faults(name: str, values: tuple[float, ...]) -> Iterator[Fault]:
    pairs = itertools.pairwise(values)
    rising = all(low < high for low, high in pairs) and all(value > 0 for value in values)
    if not rising or len(values) == 1 or len(values) > MOST_STATES:
        got = ", ".join(f"{value:g}" for value in values)
        allowed = f"none, or 2 to {MOST_STATES} numbers above 0 that rise"
        yield Fault("", name, f"got {got}, allowed: {allowed}", "order them, lowest first")


def _share_faults(name: str, shares: Array, said: str, allowed: str) -> Iterator[Fault]:
    total = shares.sum()
    if shares.min() < 0 or abs(total - 1) > ROUNDING:
        got = ", ".join(f"{share:g}" for share in shares)
        problem = f"{said} {got}, whose sum is {total:.6g}, allowed: {allowed}, none below 0"
        yield Fault("", name, problem, "correct the numbers")


def _connection_faults(rows: Array) -> Iterator[Fault]:
    """States that others never lead to: the long run then depends on the start."""
    count = len(rows)
    reached = np.linalg.matrix_power((rows > 0) + np.eye(count), count) > 0
    for before, after in np.argwhere(~reached)[:1]:
        problem = f"state {before} never leads to state {after}, allowed: every state to every one"
        yield Fault("", "tfp_transition", problem, "give a way there a probability above 0")


def _economy_faults(calibration: Calibration) -> Iterator[Fault]:
    """No capital with which its market could clear at the rate of complete markets, and states of
    Z or kinds of households that cannot be told apart."""
    with np.errstate(all="ignore"):
        economy = calibration.economy()
        capital = economy.complete_markets_capital
    if not (capital.min() >= LEAST_CAPITAL and capital.max() <= MOST_CAPITAL):
        rate, (low, high) = 1 / economy.beta - 1, (capital.min(), capital.max())
        problem = f"at the interest rate 1/beta - 1 = {rate:.4g} firms want {low:.4g} to {high:.4g}"
        allowed = f"of capital per household, allowed: {LEAST_CAPITAL:g} to {MOST_CAPITAL:g}"
        hint = "no market for capital clears here; scale labour or the values of Z"
        yield Fault("", "", f"{problem} {allowed}", hint)
        return
    for name, values in (("Z", economy.tfp), ("z", economy.labour.productivity)):
        nearest = float((np.diff(values) / values[1:]).min())
        if nearest < LEAST_DISTANCE:
            problem = f"two values of {name} differ by {nearest:.2g} of themselves"
            hint = "float32 does not tell them apart; give it more deviation, or other values"
            yield Fault("", "", f"{problem}, allowed: {LEAST_DISTANCE:g} or more", hint)
