"""Effects: what the body of a loop must not do, as it is traced once and done many times."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from nthrun.errors import UnsupportedOperationError


class OwnTensorsOnly(TorchDispatchMode):
    """While it lasts, tensors that were there before are not changed in place.

    Raises:
        UnsupportedOperationError: one was to be.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._own: dict[int, torch.UntypedStorage] = {}

    def __torch_dispatch__(
        self,
        func: Any,
        types: Any,
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Do an operation, and know as its own the memory that it takes."""
        options = kwargs or {}
        for written in _written(func, args, options):
            if written.untyped_storage()._cdata not in self._own:
                raise UnsupportedOperationError(
                    f"the body of a repeat changes in place ({func}) what it has not made itself; "
                    "it can only give it as what is carried on",
                    "use --backend eager",
                )
        result = func(*args, **options)
        given = {storage._cdata for storage in _storages((args, options))}
        self._own |= {s._cdata: s for s in _storages(result) if s._cdata not in given}
        return result


def _written(func: Any, args: Sequence[Any], options: Mapping[str, Any]) -> Iterator[Tensor]:
    """The tensors that an operation changes in place."""
    for place, argument in enumerate(func._schema.arguments):
        if argument.alias_info is not None and argument.alias_info.is_write:
            value = options.get(argument.name, args[place] if place < len(args) else None)
            yield from (leaf for leaf in tree_leaves(value) if isinstance(leaf, Tensor))


def _storages(tensors: Any) -> Iterator[torch.UntypedStorage]:
    return (leaf.untyped_storage() for leaf in tree_leaves(tensors) if isinstance(leaf, Tensor))
