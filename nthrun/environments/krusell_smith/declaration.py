"""What a spec may say of an economy of Krusell and Smith, and of its households."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import fields, replace
from typing import Any, cast

import numpy as np

from nthrun.environments.krusell_smith.calibration import (
    PRESETS,
    ROUNDING,
    Calibration,
    ChosenLabourCalibration,
)
from nthrun.environments.krusell_smith.economy import Economy
from nthrun.environments.markov_chains import stationary_shares
from nthrun.errors import Fault, SpecError
from nthrun.specs.declaration import EnvironmentDeclaration
from nthrun.specs.field import Field, Kind, Value, shown
from nthrun.specs.interface import Interface

MODEL = "Krusell and Smith"
"""The model that agents may solve."""
CALIBRATION = "calibration."
"""Prefix of the key of every coefficient."""
MOST_SAVED = 0.999
"""The highest share of what it has that a household saves."""
PANEL, HISTOGRAM = "panel", "histogram"
SHARED = {
    "beta": "weight of the next period, in (0, 1)",
    "sigma": "aversion to risk, in (0, 6]; 1 is logarithmic utility",
    "alpha": "share of capital, in (0, 1)",
    "delta": "what capital loses a period, in [0, 1]",
}
OF_CHOSEN_LABOUR = SHARED | {
    "psi": "weight ψ of the disutility of labour, ψ l^(1+θ)/(1+θ), > 0",
    "theta": "its θ, the inverse Frisch elasticity, > 0",
    "mu_z": "mean of log productivity z, which is drawn anew every period",
    "sigma_z": "deviation of log z, > 0",
    "productivity_nodes": "nodes of Gauss and Hermite, which are all that z is",
    "rho_tfp": "autocorrelation of log Z, in (-1, 1)",
    "sigma_tfp": "deviation of the shock to log Z, > 0",
    "tfp_states": "states of Z, by the chain of Rouwenhorst",
    "z_values": "instead of those nodes, z of each kind of households, rising",
    "z_shares": "and their shares, of sum 1",
    "tfp_values": "instead of that chain, Z of each state, rising",
    "tfp_transition": "and the probabilities from each state to each, row after row, of sum 1",
}
OF_GIVEN_LABOUR = SHARED | {
    "tfp_bad": "Z in bad times, > 0",
    "tfp_good": "Z in good times, above that",
    "duration_bad": "mean periods that bad times last, > 1",
    "duration_good": "mean periods that good times last, > 1",
    "unemployment_bad": "share without work in bad times, in (0, 1)",
    "unemployment_good": "share without work in good times, in (0, 1)",
    "spell_bad": "mean periods without work while bad times last, > 1",
    "spell_good": "mean periods without work while good times last, > 1",
    "worsening": "chance to stay without work as times turn bad, over that in bad times",
    "improving": "chance to stay without work as times turn good, over that in good times",
    "hours_at_work": "labour of a household at work, > 0",
    "benefit": "what one without work gets, as a share of w, paid by a tax on those at work",
}
OF_PANEL = (
    Field("households", "int", 100, "of a panel, how many there are", minimum=2, maximum=100_000),
    Field(
        "moments",
        "int",
        1,
        "of a panel, what is seen of all: 1, mean wealth; 2, its deviation too",
        minimum=1,
        maximum=2,
    ),
)
OF_HISTOGRAM = (
    Field("bins", "int", 40, "of a histogram, how many bins of wealth", minimum=2, maximum=1000),
    Field("lowest_bin", "float", 0.0, "the mid-point of the lowest", minimum=0, maximum=1e6),
    Field(
        "initial_shares",
        "floats",
        (),
        "households in each bin at the start, of sum 1; [] spreads them evenly from 0 to twice "
        "initial_wealth",
        minimum=0,
    ),
    Field(
        "initial_band",
        "float",
        0.0,
        "by what share of itself each of these is drawn off, before they are scaled to sum 1",
        minimum=0,
        maximum=1,
    ),
)
INITIAL_WEALTH = Field(
    "initial_wealth",
    "float",
    0.0,
    "mean wealth at the start; 0 is that of complete markets in the state of Z",
    minimum=0,
    maximum=1e6,
)
OBSERVATION = Field(
    "observation",
    "str",
    "aggregates",
    "aggregates: without prices, which K and Z decide; prices: r and w as well",
    choices=("aggregates", "prices"),
)
DISTRIBUTION = Field(
    "distribution",
    "str",
    PANEL,
    "how households are kept: each of a panel, or the shares of all in bins of wealth",
    choices=(PANEL, HISTOGRAM),
)
HIGHEST_BIN = {"ghh": 4.0, "ks98": 60.0, "jedc": 200.0}
"""The mid-point of the highest bin, where a spec is silent."""


def calibration_of(values: Mapping[str, Value]) -> Calibration:
    """The calibration that a spec's values give."""
    preset = PRESETS[cast(str, values["preset"])]
    named = {field.name: values[CALIBRATION + field.name] for field in fields(preset)}
    return type(preset)(**cast(dict[str, Any], named))


def economy_of(values: Mapping[str, Value]) -> Economy:
    """The economy that a spec's values give."""
    return calibration_of(values).economy()


def midpoints_of(values: Mapping[str, Value]) -> np.ndarray:
    """Wealth of the bins of a histogram, `(bins,)`, rising."""
    low, high = cast(float, values["lowest_bin"]), cast(float, values["highest_bin"])
    return np.linspace(low, high, cast(int, values["bins"]))


def _interface(values: Mapping[str, Value]) -> Interface:
    """The interface of the economy a spec describes.

    Raises:
        SpecError: there is no such economy.
    """
    if faults := list(_calibration_faults(values)):
        raise SpecError(faults)
    economy = economy_of(values)
    if faults := [*_other_faults(values), *_start_faults(values, economy)]:
        raise SpecError(faults)
    panel = values["distribution"] == PANEL
    count = cast(int, values["households"]) if panel else cast(int, values["bins"])
    decided = count if panel else count * economy.num_kinds
    seen = _panel_bounds(values, economy) if panel else [(0.0, 1.0)] * count
    seen += [(float(economy.tfp[0]), float(economy.tfp[-1]))]
    if values["observation"] == "prices":
        seen += [(-economy.delta, math.inf), (0.0, math.inf)]
    return Interface(
        observation_low=tuple(low for low, _ in seen),
        observation_high=tuple(high for _, high in seen),
        action_low=(0.0,) * decided,
        action_high=(MOST_SAVED,) * decided,
        state_dim=(2 * count if panel else decided) + 1,
        num_reset_draws=(2 * count if panel else count) + 1,
        num_step_draws=(count if panel else 0) + 1,
        terminates=False,
        model=MODEL,
        num_kinds=economy.num_kinds,
        num_states=economy.num_states,
        crowd_dim=cast(int, values["moments"]) - 1 if panel else count,
        discount=economy.beta,
    )


def _panel_bounds(values: Mapping[str, Value], economy: Economy) -> list[tuple[float, float]]:
    """Bounds of what a panel shows: wealth of each, productivity of each, moments of wealth."""
    count, moments = cast(int, values["households"]), cast(int, values["moments"])
    kinds = economy.labour.productivity
    productive = (float(kinds.min()), float(kinds.max()))
    return [(0.0, math.inf)] * count + [productive] * count + [(0.0, math.inf)] * moments


def _calibration_faults(values: Mapping[str, Value]) -> Iterator[Fault]:
    for fault in calibration_of(values).faults():
        yield replace(fault, key=(CALIBRATION + fault.key).removesuffix("."))


def _other_faults(values: Mapping[str, Value]) -> Iterator[Fault]:
    """What of the other fields does not go with the calibration, or with each other."""
    beta = values[CALIBRATION + "beta"]
    if values["gamma"] != beta:
        problem = f"got {values['gamma']}, allowed: {beta}, which is {CALIBRATION}beta"
        hint = f"give both the same value, as --set environment.gamma={beta} does"
        yield Fault("", "gamma", problem, hint)
    chosen = values["distribution"]
    for others, owner in ((OF_PANEL, PANEL), (OF_HISTOGRAM, HISTOGRAM)):
        for field in others:
            value = values[field.name]
            if owner != chosen and value != field.default:
                problem = f"got {shown(value)}, allowed with distribution {chosen}: none"
                hint = f"leave it out or at {shown(field.default)}, or choose distribution {owner}"
                yield Fault("", field.name, problem, hint)


def _start_faults(values: Mapping[str, Value], economy: Economy) -> Iterator[Fault]:
    if values["distribution"] == HISTOGRAM:
        yield from _bin_faults(values, economy)
    start = cast(tuple[float, ...], values["start_state"])
    count = cast(int, values["households"])
    if values["distribution"] == PANEL and len(start) == 2 * count + 1:
        kinds, states = range(economy.num_kinds), range(economy.num_states)
        if min(start) < 0 or start[-1] not in states or not {*start[count:-1]} <= {*kinds}:
            allowed = f"[every wealth >= 0, every kind from 0 to {kinds[-1]}, state of Z from 0 to "
            problem = f"got {shown(start)}, allowed: {allowed}{states[-1]}]"
            yield Fault("", "start_state", problem)
    cells = cast(int, values["bins"]) * economy.num_kinds
    if values["distribution"] == HISTOGRAM and len(start) == cells + 1:
        yield from _mass_faults(start, economy)


def _bin_faults(values: Mapping[str, Value], economy: Economy) -> Iterator[Fault]:
    """Bins without extent, without mass, or of which the lowest is more than some can keep."""
    low, high = cast(float, values["lowest_bin"]), cast(float, values["highest_bin"])
    if not low < high:
        problem = f"got {high:g}, allowed: above lowest_bin, which is {low:g}"
        yield Fault("", "highest_bin", problem)
        return
    count, shares = cast(int, values["bins"]), cast(tuple[float, ...], values["initial_shares"])
    if shares and (len(shares) != count or abs(sum(shares) - 1) > ROUNDING):
        problem = f"got {len(shares)} numbers of sum {sum(shares):g}, allowed: {count} of sum 1"
        yield Fault("", "initial_shares", problem, "give each of the bins its share of households")
    mean = cast(float, values["initial_wealth"])
    if mean > 0 and shares:
        problem = f"got {mean:g} beside initial_shares, allowed: one of both"
        yield Fault("", "initial_wealth", problem, "leave one out")
    usual = float(stationary_shares(economy.tfp_transition) @ economy.complete_markets_capital)
    if not low < (mean or usual) < high:
        told = "which initial_wealth is" if mean else "the mean capital of complete markets"
        problem = f"got {high:g}, allowed: above {mean or usual:.4g}, {told}"
        hint = f"and lowest_bin, which is {low:g}, below it"
        yield Fault("", "highest_bin", problem, hint)
    if low > 0 and (least := _least_resources(economy, low, high)) <= low:
        problem = f"got {low:g}, which is more than a household there can have, {least:.4g}"
        yield Fault("", "lowest_bin", f"{problem}, allowed: less", "let the bins begin at 0")


def _least_resources(economy: Economy, low: float, high: float) -> float:
    """A number below (1 + r) a + y of everybody at the lowest a, whatever K within the bins."""
    states = np.arange(economy.num_states)
    rich, poor = np.full(len(states), high), np.full(len(states), low)
    rates = economy.prices(rich, states).r
    return float(((1 + rates) * low + economy.net_income(poor, states).min(-1)).min())


def _mass_faults(start: tuple[float, ...], economy: Economy) -> Iterator[Fault]:
    """A start state of a histogram that has no mass, or other shares of kinds than Z gives."""
    mass, state = np.array(start[:-1]).reshape(economy.num_kinds, -1), start[-1]
    states = range(economy.num_states)
    if state not in states or mass.min() < 0:
        allowed = f"[every share >= 0, state of Z from 0 to {states[-1]}]"
        yield Fault("", "start_state", f"got {shown(start)}, allowed: {allowed}")
    elif np.abs(mass.sum(1) - economy.shares[int(state)]).max() > ROUNDING:
        got, wanted = (
            ", ".join(f"{share:.6g}" for share in shares)
            for shares in (mass.sum(1), economy.shares[int(state)])
        )
        problem = f"kinds have the shares {got}, allowed in this state of Z: {wanted}"
        yield Fault(
            "", "start_state", problem, "all bins of one kind stand before those of the next"
        )


def _calibrated(calibration: Calibration) -> tuple[Field, ...]:
    """The fields of a calibration, with its numbers as defaults."""
    chosen = isinstance(calibration, ChosenLabourCalibration)
    docs = OF_CHOSEN_LABOUR if chosen else OF_GIVEN_LABOUR
    kinds: dict[type, Kind] = {int: "int", float: "float", tuple: "floats"}
    defaults = {name: getattr(calibration, name) for name in docs}
    return tuple(
        Field(CALIBRATION + name, kinds[type(default)], default, docs[name])
        for name, default in defaults.items()
    )


def _of_preset(name: str, calibration: Calibration) -> EnvironmentDeclaration:
    """The environment with a preset's fields and defaults."""
    preset = Field(
        "preset",
        "str",
        name,
        "whose calibration: it decides what `calibration` has, its defaults, and those of gamma "
        "and highest_bin",
        choices=tuple(PRESETS),
    )
    highest = Field(
        "highest_bin",
        "float",
        HIGHEST_BIN[name],
        "the mid-point of the highest, which nobody's wealth exceeds",
        above=0,
        maximum=1e6,
    )
    of_histogram = (*OF_HISTOGRAM[:2], highest, *OF_HISTOGRAM[2:])
    return EnvironmentDeclaration(
        name="KrusellSmith",
        interface=_interface,
        program="nthrun.environments.krusell_smith.program:KrusellSmith",
        gamma=calibration.beta,
        fields=(
            preset,
            *_calibrated(calibration),
            DISTRIBUTION,
            *OF_PANEL,
            *of_histogram,
            INITIAL_WEALTH,
            OBSERVATION,
        ),
        doc=DOC,
        source=SOURCE,
    )


DOC = (
    "Households with uninsured risk save in an economy whose productivity Z moves. Labour is "
    "chosen (preset ghh) or given (ks98, jedc). The action is the share of (1 + r) a + y, what "
    "they have net of the disutility of labour, that every household saves, or with a histogram "
    "all of a bin and a kind; the reward is the mean of their utilities, so that an agent that "
    "acts is a planner, and gamma is calibration.beta. The observation of a panel is the wealth of "
    "each, the productivity of each (z, or 1 at work and 0 without), mean wealth and perhaps its "
    "deviation; that of a histogram the shares of the bins; then Z, and if asked for r and w. "
    "Capital is what was saved the period before. No state is terminal, so that evaluation needs "
    "steps_per_episode. A start state is [wealth of each, number of the kind of each, number of "
    "the state of Z], or [share of each bin of one kind after the other, number of the state of Z]."
)
SOURCE = (
    "after Krusell and Smith (1998), Income and wealth heterogeneity in the macroeconomy, Journal "
    "of Political Economy 106(5), and den Haan, Judd and Juillard (2010), Computational suite of "
    "models with heterogeneous agents, Journal of Economic Dynamics and Control 34(1)"
)
_DECLARED = {name: _of_preset(name, calibration) for name, calibration in PRESETS.items()}
KRUSELL_SMITH = replace(_DECLARED["ghh"], presets=tuple(_DECLARED.items()))
