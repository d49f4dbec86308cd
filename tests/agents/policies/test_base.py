"""Special functions against scipy's."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import special

from nthrun.agents.policies.base import (
    artanh,
    digamma_drop,
    log_beta,
    log_gamma,
    log_two_cosh,
    softplus,
    uniform_of,
)

ARGUMENTS = torch.logspace(0, 5, 400, dtype=torch.float64)
TYPES = [(torch.float64, 1e-8), (torch.float32, 2e-6)]


@pytest.mark.parametrize(("dtype", "error"), TYPES)
def test_log_gamma_and_its_slope(dtype: torch.dtype, error: float) -> None:
    """From 1 to 10⁵, log Γ is scipy's and autograd's slope of it is the digamma function."""
    x = ARGUMENTS.to(dtype, copy=True).requires_grad_()
    found = log_gamma(x)
    (slope,) = torch.autograd.grad(found.sum(), x)
    exact = x.detach().double().numpy()
    known = special.gammaln(exact)
    np.testing.assert_allclose(found.detach().numpy(), known, rtol=error, atol=error)
    np.testing.assert_allclose(slope.numpy(), special.digamma(exact), rtol=error, atol=error)


@pytest.mark.parametrize(("dtype", "error"), TYPES)
def test_digamma_drop(dtype: torch.dtype, error: float) -> None:
    """ψ(a) - ψ(a + b) keeps its relative error however small it is."""
    a, b = (
        part.to(dtype) for part in torch.meshgrid(ARGUMENTS[::20], ARGUMENTS[::20], indexing="ij")
    )
    x, y = a.double().numpy(), b.double().numpy()
    expected = special.digamma(x) - special.digamma(x + y)
    np.testing.assert_allclose(digamma_drop(a, b).numpy(), expected, rtol=max(error, 1e-7))


def test_log_beta() -> None:
    """log B(a, b) is scipy's."""
    a, b = torch.meshgrid(ARGUMENTS[::20], ARGUMENTS[::20], indexing="ij")
    np.testing.assert_allclose(
        log_beta(a, b).numpy(), special.betaln(a.numpy(), b.numpy()), rtol=1e-8, atol=1e-7
    )


def test_squashing() -> None:
    """log 2 cosh, artanh and softplus are their closed forms, and finite far out."""
    u = torch.linspace(-5, 5, 101, dtype=torch.float64)
    torch.testing.assert_close(log_two_cosh(u), torch.log(2 * torch.cosh(u)))
    torch.testing.assert_close(artanh(torch.tanh(u)), u)
    torch.testing.assert_close(softplus(u), torch.log1p(torch.exp(u)))
    far = torch.tensor([-1e4, 1e4])
    assert log_two_cosh(far).tolist() == [1e4, 1e4]
    assert softplus(far).tolist() == [0, 1e4]


def test_the_slope_of_softplus_at_zero() -> None:
    """A network whose outputs are exactly 0 gets the slope ½."""
    x = torch.zeros(1, requires_grad=True)
    assert float(torch.autograd.grad(softplus(x), x)[0]) == 0.5


def test_uniform_of() -> None:
    """Φ is scipy's, and never reaches 1."""
    z = torch.linspace(-9, 9, 181)
    np.testing.assert_allclose(uniform_of(z).numpy(), special.ndtr(z.numpy()), atol=2e-7)
    assert 0 <= uniform_of(z).min() < uniform_of(z).max() < 1
