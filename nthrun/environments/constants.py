"""Tensors that a program computes with and that never change."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.utils._python_dispatch import _disable_current_modes


class Constants:
    """Constant tensors, on every device that they are asked for on.

    They are made on the CPU and outside of any step, so that a tracer finds real tensors, which it
    can take into its program, and no operation that makes them.

    Args:
        tensors: on the CPU.
    """

    def __init__(self, *tensors: Tensor) -> None:
        self._held = {torch.device("cpu"): tensors}

    def on(self, device: torch.device) -> tuple[Tensor, ...]:
        """The tensors on a device, copied there once; a tracer records no copying."""
        if device not in self._held:
            with _disable_current_modes():
                held = self._held[torch.device("cpu")]
                self._held[device] = tuple(tensor.to(device) for tensor in held)
        return self._held[device]
