"""Devices and torch's global settings, decided once per process."""

from __future__ import annotations

import os

import torch

from nthrun.errors import DeviceError


def resolve_device(name: str) -> str:
    """`auto` as `cuda` where there is a GPU, else `cpu`; other names as they are.

    Raises:
        DeviceError: `cuda` is asked for and there is none.
    """
    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if name == "cuda" and not torch.cuda.is_available():
        raise DeviceError("--device cuda: this machine shows no CUDA GPU, allowed: cpu or auto")
    return name


def prepare_torch(threads: int) -> None:
    """Fix what would change bits from run to run: threads, TF32, non-deterministic kernels.

    cuBLAS is given so little working memory that it never splits a sum over blocks; it looks at
    that setting when it is first used.
    """
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":16:8")
    torch.set_num_threads(threads)
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False
    # The same for TorchInductor is set where it is used (graphed.py), as importing it takes long.
    torch.set_deterministic_debug_mode("error")
    # Filling every new tensor would show reads of unset memory, at a sixth of the speed.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
