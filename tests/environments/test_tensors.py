"""Gaussian numbers and bumps against scipy's."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.stats import kstest, norm

from nthrun.environments.tensors import bump, normal

COUNT = 500_000


def test_numbers_are_standard_normal() -> None:
    """Half a million numbers have mean 0, standard deviation 1 and the normal distribution, and
    the two halves of a row are independent of each other."""
    draw = torch.Generator().manual_seed(0)
    numbers = normal(torch.rand(COUNT, 4, generator=draw)).double().numpy()
    assert numbers.shape == (COUNT, 2)
    assert kstest(numbers.ravel(), "norm").pvalue > 1e-3
    assert numbers.mean() == pytest.approx(0.0, abs=5e-3)
    assert numbers.std() == pytest.approx(1.0, abs=5e-3)
    assert abs(np.corrcoef(numbers.T)[0, 1]) < 5e-3
    assert abs(np.corrcoef(numbers.T**2)[0, 1]) < 5e-3


def test_the_ends_of_uniform_numbers_give_finite_ones() -> None:
    """0 and the largest float32 below 1 give finite numbers, whichever of a pair they are."""
    edges = torch.tensor([0.0, 1 - 2**-24])
    assert normal(torch.cartesian_prod(edges, edges)).isfinite().all()


def test_a_bump_is_a_normal_density_scaled_to_one() -> None:
    """bump(x; c, σ) is the normal density of mean c and deviation σ over its largest value."""
    x = torch.linspace(-2, 2, 1001, dtype=torch.float64)
    expected = norm.pdf(x, 0.3, 0.2) / norm.pdf(0.3, 0.3, 0.2)
    np.testing.assert_allclose(bump(x, 0.3, 0.2), expected, rtol=1e-12, atol=1e-300)
