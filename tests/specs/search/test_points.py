"""Laws of points by number."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import kstest, qmc

from nthrun.specs.search.points import SOBOL_BITS, PointMethod, point_function

METHODS: tuple[PointMethod, ...] = ("random", "sobol", "halton")
NUM_POINTS = 1000
GOLDEN: tuple[tuple[PointMethod, int, int, list[float]], ...] = (
    ("sobol", 0, 0, [0.40994958858937025, 0.9641202185302973, 0.8576548751443624]),
    ("sobol", 0, 1, [0.656363045796752, 0.26379729248583317, 0.4859705315902829]),
    ("sobol", 0, 1000, [0.32664010487496853, 0.8767963144928217, 0.47343337070196867]),
    ("sobol", 0, 2**30 - 1, [0.4099495876580477, 0.06228443421423435, 0.7314524604007602]),
    ("sobol", 7, 1000, [0.6078677279874682, 0.9971427712589502, 0.5720233162865043]),
    ("sobol", 7, 2**30 - 1, [0.65042685251683, 0.39304631669074297, 0.30224422365427017]),
    ("halton", 0, 0, [0.7072248356860283, 0.46907967033587605, 0.47064436306603047]),
    ("halton", 0, 1, [0.20722483568602834, 0.8024130036692094, 0.6706443630660308]),
    ("halton", 0, 1000, [0.6359357731860283, 0.7877810878027255, 0.4648843630660304]),
    ("halton", 0, 2**30 - 1, [0.29277516347134147, 0.5476607354345437, 0.9655089666116305]),
    ("halton", 7, 1000, [0.9319368440223428, 0.6075661797789138, 0.21968154570517254]),
    ("halton", 7, 2**30 - 1, [0.02607096894956551, 0.8970738968922782, 0.04993883041557255]),
)
"""Method, seed, number and the first coordinates of the point."""


@pytest.mark.parametrize(("method", "seed", "number", "coordinates"), GOLDEN)
def test_points_are_the_same_for_good(
    method: PointMethod, seed: int, number: int, coordinates: list[float]
) -> None:
    """A number's point stays what it was with scipy 1.17, so that settings keep their numbers."""
    assert point_function(method, 4, seed)(number)[:3].tolist() == coordinates


@pytest.mark.filterwarnings("ignore:The balance properties of Sobol")
@pytest.mark.parametrize("seed", [0, 7])
@pytest.mark.parametrize("dimensions", [1, 2, 5, 21])
def test_sobol_points_are_scipys(dimensions: int, seed: int) -> None:
    """Point n is the n-th that scipy's scrambled Sobol generator of the seed draws, to the bit."""
    rng = np.random.default_rng(seed)
    theirs = qmc.Sobol(dimensions, scramble=True, bits=SOBOL_BITS, rng=rng).random(NUM_POINTS)
    ours = point_function("sobol", dimensions, seed)
    assert np.array_equal([ours(number) for number in range(NUM_POINTS)], theirs)


@pytest.mark.parametrize("seed", [0, 7])
@pytest.mark.parametrize("dimensions", [1, 2, 5, 21])
def test_halton_points_are_scipys(dimensions: int, seed: int) -> None:
    """Point n is the n-th that scipy's scrambled Halton generator of the seed draws."""
    rng = np.random.default_rng(seed)
    theirs = qmc.Halton(dimensions, scramble=True, rng=rng).random(NUM_POINTS)
    ours = point_function("halton", dimensions, seed)
    assert np.allclose([ours(n) for n in range(NUM_POINTS)], theirs, rtol=0, atol=1e-15)


@pytest.mark.parametrize("method", ["sobol", "halton"])
def test_far_points_are_scipys(method: PointMethod) -> None:
    """So are those that lie far ahead."""
    engine = qmc.Sobol if method == "sobol" else qmc.Halton
    far = 100_000_000 if method == "sobol" else 100_000  # to which scipy has to step
    options = {"bits": SOBOL_BITS} if method == "sobol" else {}
    theirs = engine(3, scramble=True, rng=np.random.default_rng(1), **options)
    theirs.fast_forward(far)
    ours = point_function(method, 3, 1)
    found = [ours(far + n) for n in range(4)]
    assert np.allclose(found, theirs.random(4), rtol=0, atol=1e-15)


@given(
    st.sampled_from(METHODS),
    st.lists(st.integers(0, 2**30 - 1), min_size=2, max_size=5, unique=True),
    st.integers(0, 2**63 - 1),
    st.integers(0, 3),
)
@settings(max_examples=60, deadline=None)
def test_a_point_is_its_numbers(
    method: PointMethod, numbers: list[int], seed: int, attempt: int
) -> None:
    """Points lie in the cube and do not depend on which were asked for before, nor on whose object
    is asked; a pickled one gives the same."""
    point = point_function(method, 3, seed)
    forward = [point(number, attempt) for number in numbers]
    other = pickle.loads(pickle.dumps(point_function(method, 3, seed)))
    backward = [other(number, attempt) for number in reversed(numbers)]
    assert np.array_equal(forward, backward[::-1])
    assert np.min(forward) >= 0
    assert np.max(forward) < 1
    assert len({tuple(one) for one in forward}) == len(numbers)


@pytest.mark.parametrize("method", METHODS)
def test_seeds_and_attempts_give_other_points(method: PointMethod) -> None:
    """Another seed, number or attempt is another point."""
    points = [
        point_function(method, 4, seed)(number, attempt)
        for seed in (0, 1)
        for number in (0, 1)
        for attempt in (0, 1)
    ]
    assert len({tuple(one) for one in points}) == len(points)


@pytest.mark.parametrize("method", METHODS)
def test_no_dimensions(method: PointMethod) -> None:
    """Where nothing varies a point is empty."""
    assert point_function(method, 0, 0)(3).shape == (0,)


@pytest.mark.parametrize("attempt", [0, 1])
def test_random_points_are_uniform_and_independent(attempt: int) -> None:
    """Coordinates of 4,000 random points are uniform, and two of one point, or of neighbouring
    numbers, are uncorrelated."""
    point = point_function("random", 2, 3)
    first, second = np.array([point(number, attempt) for number in range(4000)]).T
    assert kstest(first, "uniform").pvalue > 0.001
    assert kstest(second, "uniform").pvalue > 0.001
    assert abs(np.corrcoef(first, second)[0, 1]) < 0.06
    assert abs(np.corrcoef(first[:-1], first[1:])[0, 1]) < 0.06
