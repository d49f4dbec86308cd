"""What a spec may say of the economies, and what it is told."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
from environments.worlds import spec_of

from nthrun.commands.describe import describe
from nthrun.environments.krusell_smith.calibration import (
    PRESETS,
    ChosenLabourCalibration,
    GivenLabourCalibration,
)
from nthrun.environments.krusell_smith.declaration import calibration_of, economy_of
from nthrun.errors import SpecError
from nthrun.planning.experiment_spec import experiment_spec_of

OTHER_CHOSEN: dict[str, Any] = {
    **{"beta": 0.85, "sigma": 1.5, "alpha": 0.3, "delta": 0.1, "psi": 1.2, "theta": 0.5},
    **{"mu_z": 0.1, "sigma_z": 0.2, "productivity_nodes": 5},
    **{"rho_tfp": 0.9, "sigma_tfp": 0.03, "tfp_states": 3},
}
VALUES: dict[str, Any] = {
    "z_values": [0.5, 1.5],
    "z_shares": [0.25, 0.75],
    "tfp_values": [0.9, 1.1],
    "tfp_transition": [0.9, 0.1, 0.2, 0.8],
}
OTHER_GIVEN: dict[str, Any] = {
    **{"beta": 0.98, "sigma": 2.0, "alpha": 0.3, "delta": 0.03, "tfp_bad": 0.98, "tfp_good": 1.03},
    **{"duration_bad": 6.0, "duration_good": 9.0, "spell_bad": 2.2, "spell_good": 1.6},
    **{"unemployment_bad": 0.11, "unemployment_good": 0.05, "worsening": 1.2, "improving": 0.8},
    **{"hours_at_work": 0.9, "benefit": 0.2},
}
BINS: dict[str, Any] = {"distribution": "histogram"}


def under(calibration: dict[str, Any]) -> dict[str, Any]:
    """A spec's keys of a calibration, and the gamma that goes with it."""
    keys = {f"calibration.{name}": value for name, value in calibration.items()}
    return keys | ({"gamma": calibration["beta"]} if "beta" in calibration else {})


def fault_of(**values: object) -> str:
    """The one line that such a spec is told."""
    with pytest.raises(SpecError) as caught:
        spec_of("KrusellSmith", **values)
    [line] = caught.value.lines()
    return line


@pytest.mark.parametrize("preset", PRESETS)
def test_the_preset_decides_the_calibration(preset: str) -> None:
    """A spec that names a preset and nothing else means that preset's numbers, the discount factor
    among them."""
    spec = spec_of("KrusellSmith", preset=preset)
    assert calibration_of(spec.values) == PRESETS[preset]
    assert spec.number("gamma") == PRESETS[preset].beta


def test_a_silent_spec_has_chosen_labour() -> None:
    """Without a preset it is ghh."""
    assert calibration_of(spec_of("KrusellSmith").values) == ChosenLabourCalibration()


@pytest.mark.parametrize(
    ("preset", "given", "expected"),
    [
        ("ghh", OTHER_CHOSEN, ChosenLabourCalibration(**OTHER_CHOSEN)),
        ("ghh", VALUES, ChosenLabourCalibration(**{k: tuple(v) for k, v in VALUES.items()})),
        ("jedc", OTHER_GIVEN, GivenLabourCalibration(**OTHER_GIVEN)),
    ],
    ids=["processes", "values", "given labour"],
)
def test_every_coefficient_is_the_one_it_names(
    preset: str, given: dict[str, Any], expected: object
) -> None:
    """A spec that gives every coefficient another value gives the calibration of those values."""
    spec = spec_of("KrusellSmith", preset=preset, **under(given))
    assert calibration_of(spec.values) == expected


def test_a_recorded_spec_is_the_same_spec() -> None:
    """The document that a record keeps, every field written out, reads as the spec it is of."""
    for preset, given in (("ghh", VALUES), ("ks98", {}), ("jedc", OTHER_GIVEN)):
        spec = spec_of("KrusellSmith", preset=preset, **under(given))
        document = spec.as_document()
        again = spec_of(document.pop("env_name"), **document)
        assert (again.values, again.interface) == (spec.values, spec.interface)


def test_rounded_probabilities_are_scaled() -> None:
    """Probabilities and shares whose digits miss the sum 1 by a millionth are scaled to it."""
    near = VALUES | {"tfp_transition": [0.9, 0.0999996, 0.2, 0.8], "z_shares": [0.25, 0.7499996]}
    economy = economy_of(spec_of("KrusellSmith", **under(near)).values)
    assert economy.tfp_transition.sum(1) == pytest.approx(np.ones(2), abs=1e-15)
    assert economy.shares.sum(1) == pytest.approx(np.ones(2), abs=1e-15)


@pytest.mark.parametrize(
    ("given", "key", "told"),
    [
        ({"beta": 1.0}, "beta", r"got 1, allowed: \(0, 1\)"),
        ({"sigma": 0.0}, "sigma", r"allowed: \(0, 6\]"),
        ({"sigma": 9.0}, "sigma", r"allowed: \(0, 6\]"),
        ({"alpha": 1.0}, "alpha", r"\(0, 1\)"),
        ({"delta": 1.5}, "delta", r"\[0, 1\]"),
        ({"psi": 0.0}, "psi", r"\(0, ∞\)"),
        ({"theta": -1.0}, "theta", r"\(0, ∞\)"),
        ({"sigma_z": 0.0}, "sigma_z", r"\(0, ∞\)"),
        ({"sigma_tfp": 0.0}, "sigma_tfp", r"\(0, ∞\)"),
        ({"rho_tfp": 1.0}, "rho_tfp", r"\(-1, 1\)"),
        ({"tfp_states": 1}, "tfp_states", "2 to 21"),
        ({"productivity_nodes": 22}, "productivity_nodes", "2 to 21"),
        (VALUES | {"rho_tfp": 0.9}, "rho_tfp", "got 0.9 beside tfp_values"),
        (VALUES | {"sigma_z": 0.1}, "sigma_z", "got 0.1 beside z_values"),
        (VALUES | {"tfp_values": [1.1, 0.9]}, "tfp_values", "got 1.1, 0.9, allowed: .* rise"),
        (VALUES | {"z_values": [0.0, 0.9]}, "z_values", "got 0, 0.9, allowed: .* above 0"),
        ({"tfp_values": [1.0], "tfp_transition": [1.0]}, "tfp_values", "2 to 21 numbers"),
        (VALUES | {"tfp_values": [0.9, 1, 1.1]}, "tfp_transition", "got 4 numbers, allowed: 9"),
        ({"tfp_transition": [1.0]}, "tfp_transition", "got 1 numbers, allowed: 0"),
        ({"z_values": [0.9, 1.1]}, "z_shares", "got 0 numbers, allowed: 2"),
        (
            VALUES | {"tfp_transition": [0.9, 0.1, 0.2, 0.7]},
            "tfp_transition",
            "row 1 is 0.2, 0.7, whose sum is 0.9, allowed: probabilities of sum 1",
        ),
        (
            VALUES | {"tfp_transition": [0.9, 0.1, -0.2, 1.2]},
            "tfp_transition",
            "row 1 is -0.2, 1.2, .* none below 0",
        ),
        (
            VALUES | {"tfp_transition": [1.0, 0.0, 0.2, 0.8]},
            "tfp_transition",
            "state 0 never leads to state 1",
        ),
        (VALUES | {"z_shares": [0.5, 0.4]}, "z_shares", "sum is 0.9, allowed: shares of sum 1"),
        ({"theta": 0.01}, "", r"1/beta - 1 = 0\.1173 firms want .* allowed: 0.0001 to 1e\+06"),
        ({"sigma_z": 40.0}, "", "firms want inf to inf|firms want nan to nan|firms want"),
        ({"sigma_tfp": 1e-8}, "", "two values of Z differ by .* allowed: 1e-05 or more"),
        ({"sigma_z": 1e-8}, "", "two values of z differ by .* allowed: 1e-05 or more"),
        ({"z_values": [1e5, 2e5], "z_shares": [0.5, 0.5]}, "", "no market for capital clears"),
    ],
    ids=str,
)
def test_numbers_of_chosen_labour_that_are_no_economy_are_told(
    given: dict[str, Any], key: str, told: str
) -> None:
    """A calibration without meaning is told in one line, by its key, with the number, what is
    allowed and what to do."""
    line = fault_of(**under(given))
    assert "; hint: " in line
    assert line.startswith(f"test: calibration.{key}".removesuffix(".") + ": ")
    assert re.search(told, line)


@pytest.mark.parametrize(
    ("given", "key", "told"),
    [
        (
            {"tfp_bad": 1.02},
            "tfp_bad",
            "got 1.02, allowed: above 0 and below tfp_good, which is 1.01",
        ),
        ({"duration_good": 1.0}, "duration_good", r"got 1, allowed: \(1, ∞\)"),
        ({"spell_bad": 0.5}, "spell_bad", r"got 0.5, allowed: \(1, ∞\)"),
        ({"unemployment_bad": 0.0}, "unemployment_bad", r"\(0, 1\)"),
        ({"unemployment_good": 1.0}, "unemployment_good", r"\(0, 1\)"),
        (
            {"unemployment_bad": 0.5},
            "unemployment_bad",
            r"got 0.5 and unemployment_good 0.04, .* lose work as times go from bad to good is -",
        ),
        (
            {"unemployment_bad": 0.01, "unemployment_good": 0.4},
            "unemployment_bad",
            r"chance to lose work as times go from good to bad is -.*allowed: \[0, 1\]",
        ),
        (
            {"improving": 5.0},
            "unemployment_bad",
            "stay without work as times go from bad to good is 1.667",
        ),
        ({"worsening": -1.0}, "worsening", r"\[0, ∞\)"),
        ({"hours_at_work": 0.0}, "hours_at_work", r"\(0, ∞\)"),
        ({"benefit": 1.0}, "benefit", r"\[0, 1\)"),
        ({"benefit": 0.9, "hours_at_work": 0.05}, "benefit", "got 0.9, allowed: below 0.45"),
        ({"hours_at_work": 1e-6, "benefit": 0.0}, "", "no market for capital clears"),
    ],
    ids=str,
)
def test_numbers_of_given_labour_that_are_no_economy_are_told(
    given: dict[str, Any], key: str, told: str
) -> None:
    """Shares without work from which the durations make no probabilities are told, and every
    number that is out of its range."""
    line = fault_of(preset="jedc", **under(given))
    assert "; hint: " in line
    assert line.startswith(f"test: calibration.{key}".removesuffix(".") + ": ")
    assert re.search(told, line)


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"preset": "ks99"}, "preset: got .* one of ghh, ks98, jedc"),
        (
            {"preset": "ks98", "calibration.psi": 1.0},
            "calibration.psi: no field of this preset, allowed: with preset ghh only",
        ),
        (
            {"preset": "ghh", "calibration.benefit": 0.1},
            "calibration.benefit: .* allowed: with preset ks98 or jedc only",
        ),
        ({"calibration.psii": 1.0}, "unknown key.*did you mean calibration.psi"),
        (
            {"gamma": 0.9},
            "gamma: got 0.9, allowed: 0.895, which is calibration.beta; .* --set "
            "environment.gamma=0.895 does",
        ),
        (BINS | {"households": 20}, "households: got 20, allowed with .* histogram: none"),
        (BINS | {"moments": 2}, "moments: got 2"),
        ({"initial_shares": [0.5, 0.5]}, "initial_shares: .* choose distribution histogram"),
        ({"bins": 7}, "bins: got 7"),
        (BINS | {"lowest_bin": 5.0}, "highest_bin: got 4, allowed: above lowest_bin, which is 5"),
        (
            BINS
            | {
                "preset": "ks98",
                "lowest_bin": 0.2,
                "initial_wealth": 1.0,
                "calibration.delta": 1.0,
            },
            "lowest_bin: got 0.2, which is more than a household there can have, 0.0",
        ),
        (BINS | {"highest_bin": 0.5}, "highest_bin: got 0.5, allowed: above 0.6.*complete markets"),
        (BINS | {"lowest_bin": 3.0}, "highest_bin: got 4, .* lowest_bin, which is 3, below it"),
        (BINS | {"initial_wealth": 5.0}, "highest_bin: got 4, allowed: above 5, .*initial_wealth"),
        (
            BINS | {"bins": 2, "initial_shares": [0.5, 0.5], "initial_wealth": 1.0},
            "initial_wealth: got 1 beside initial_shares",
        ),
        (BINS | {"bins": 3, "initial_shares": [0.0] * 3}, "3 numbers of sum 0, allowed: 3 of sum"),
        (BINS | {"bins": 3, "initial_shares": [0.5, 0.5]}, "got 2 numbers of sum 1, allowed: 3"),
        ({"households": 2, "start_state": [1, 1, 0, 7, 2]}, "every kind from 0 to 6"),
        ({"households": 2, "start_state": [1, 1, 0, 6, 5]}, "state of Z from 0 to 4"),
        ({"households": 2, "start_state": [1, -1, 0, 6, 4]}, "every wealth >= 0"),
        (
            BINS | {"preset": "ks98", "bins": 2, "start_state": [0.1, 0.0, 0.8, 0.0, 0]},
            "kinds have the shares 0.1, 0.8, allowed in this state of Z: 0.1, 0.9",
        ),
        (
            BINS | {"preset": "ks98", "bins": 2, "start_state": [0.0, 0.0, 0.0, 0.0, 0]},
            "kinds have the shares 0, 0,",
        ),
        (
            BINS | {"preset": "ks98", "bins": 2, "start_state": [0.2, -0.1, 0.9, 0.0, 0]},
            "every share >= 0",
        ),
    ],
    ids=str,
)
def test_fields_that_contradict_each_other_are_told(values: dict[str, Any], told: str) -> None:
    """What does not go with the preset, the distribution or the bins is told in one line."""
    assert re.search(told, fault_of(**values))


def test_the_description_says_what_the_preset_gives() -> None:
    """`--describe` names the numbers of the preset, and which of them the spec changes."""
    environment = {"env_name": "KrusellSmith", "preset": "jedc", "total_timesteps": 10}
    environment |= {"calibration": {"benefit": 0.1}}
    spec = experiment_spec_of(environment, {"agent_name": "random", "parameters": {}}, "test")
    lines = describe(spec, [], 0, "results").splitlines()
    [given] = [line for line in lines if line.startswith("preset ")]
    assert given.startswith('preset "jedc" gives calibration.beta 0.99, calibration.sigma 1.0,')
    assert "calibration.benefit 0.15, highest_bin 200.0" in given
    assert "the spec changes calibration.benefit to 0.1" in lines
