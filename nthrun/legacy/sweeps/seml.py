"""SEML's files: a script of Sacred, and `fixed`, `grid` and `random` parameters, in nested parts.

The grid is a product, and so is what is drawn with it: each setting of the grid with each sample.
A part has what the parts around it have, and overrides it; only innermost parts are sweeps.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from nthrun.legacy.sweeps.base import (
    ARGUMENTS,
    ForeignSweep,
    counted,
    is_seed,
    is_unresolved,
    leaves,
)
from nthrun.specs.field import shown
from nthrun.specs.search.space import COUPLER

BLOCKS = ("fixed", "grid", "random")
DRAWING = ("samples", "seed")
"""Keys of `random` that are no parameters."""
SPECIAL = ("seml", "slurm", "tracking")
MAX_NUMBERS = 100_000
MAX_DEPTH = 10
UNUSED = {
    "slurm": "a cluster file says where runs go",
    "tracking": "records are kept by themselves",
}


def is_seml(content: Mapping[str, Any]) -> bool:
    """Whether a file is one of SEML."""
    if isinstance(content.get("seml"), dict):
        return True
    has_block = any(isinstance(content.get(block), dict) for block in BLOCKS)
    return isinstance(content.get("tracking"), dict) and has_block


def read_seml(content: Mapping[str, Any], program: str = "") -> list[ForeignSweep]:
    """The sweeps of a file of SEML, one for each innermost part.

    Args:
        content: of the file, of which `is_seml` holds.
        program: the script, where it is another than the file says.
    """
    abouts = (content.get("seml"), content.get("tracking"))
    about: dict[str, Any] = next(value for value in abouts if isinstance(value, dict))
    start = ForeignSweep("SEML", argument="{name}={value}")
    if script := program or about.get("executable"):
        start.command = ["python", str(script), "with", ARGUMENTS]
    for key, reason in UNUSED.items():
        if key in content:
            start.lose(key, reason)
    blocks = {key: value for key, value in content.items() if key not in SPECIAL}
    parts = list(_parts(start, blocks, {}, ""))  # all is told before any is made
    return [_sweep(start, part, merged) for part, merged in parts]


Blocks = dict[str, dict[str, Any]]
"""Block -> its parameters by dotted name."""


def _parts(
    start: ForeignSweep, content: Mapping[str, Any], around: Blocks, name: str, depth: int = 0
) -> Iterator[tuple[str, Blocks]]:
    """The innermost parts, with what they have of those around them; what is none is told."""
    for key, value in content.items():
        if value is not None and not isinstance(value, dict):
            start.lose(f"{name}.{key}".lstrip("."), f"got {shown(value)}, no mapping")
    merged = {block: dict(around.get(block, {})) for block in BLOCKS}
    for block in BLOCKS:
        own = content.get(block)
        own = own if isinstance(own, dict) else {}
        for key, value in leaves(own).items() if block == "fixed" else _parameters(own):
            is_drawing = key in DRAWING and block == "random"
            for other in () if is_drawing else BLOCKS:
                if other != "random" or key not in DRAWING:
                    merged[other].pop(key, None)
            merged[block][key] = value
    inner = {k: v for k, v in content.items() if k not in BLOCKS and isinstance(v, dict)}
    if not inner or depth > MAX_DEPTH:
        for key in inner:
            start.lose(f"{name}_{key}", "parts are nested too deeply")
        yield name, merged
        return
    for key, value in inner.items():
        yield from _parts(start, value, merged, f"{name}_{key}" if name else key, depth + 1)


def _parameters(block: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """The parameters of a block by dotted name; a collection has those within it."""
    for key, value in block.items():
        dotted = f"{prefix}{key}"
        inner = value.get("params") if isinstance(value, dict) else None
        if isinstance(inner, dict) and value["type"] == "parameter_collection":
            yield from _parameters(inner, f"{dotted}.")
        elif isinstance(value, dict) and "type" not in value:
            yield from _parameters(value, f"{dotted}.")
        else:
            yield dotted, value


def _sweep(start: ForeignSweep, part: str, blocks: Blocks) -> ForeignSweep:
    """One part as a sweep."""
    found = replace(start, part=part, values={}, arguments={}, told=list(start.told))
    for name, value in blocks["fixed"].items():
        _put(found, name, [value])
    zipped: dict[str, dict[str, list[Any]]] = {}
    for name, what in blocks["grid"].items():
        values = _grid(found, name, what)
        if values is None:
            continue
        if isinstance(group := what.get("zip_id"), str):
            zipped.setdefault(group, {})[name] = values
        else:
            _put(found, name, values)
    for group, members in zipped.items():
        _zip(found, group, members)
    _draw(found, blocks["random"])
    if found.command and "seed" not in found.values:  # Sacred draws one where none is given
        found.command = [*start.command, "seed={seed}"]
    return found


def _put(found: ForeignSweep, name: str, values: Any) -> None:
    """Take a parameter, unless it is of Sacred or refers to another."""
    if name.startswith("+"):
        found.lose(name, "named configurations are the script's")
    elif is_unresolved(values):
        found.lose(name, f"{shown(values)} refers to another value: write it out")
    else:
        found.take(name, values)


def _zip(found: ForeignSweep, group: str, members: Mapping[str, list[Any]]) -> None:
    """Take parameters that change together."""
    if len(set(map(len, members.values()))) > 1:
        found.lose(", ".join(members), f"lists of {group} are not of one length")
    elif len(members) == 1 or any(map(is_unresolved, members.values())):
        for name, values in members.items():
            _put(found, name, values)
    else:
        rows = zip(*members.values(), strict=True)
        found.values[COUPLER.join(map(found.rename, members))] = [list(row) for row in rows]


def _grid(found: ForeignSweep, name: str, what: Any) -> list[Any] | None:
    """The values of a grid's parameter; None, and a line, where they cannot be read."""
    try:
        kind = what["type"]
        if kind == "choice":
            return _options(what)
        low, high = (_number(what[key]) for key in ("min", "max"))
        if kind == "range":
            return counted(low, high, _number(what["step"]))
        count = int(_number(what["num"]))
        if not 1 <= count <= MAX_NUMBERS:
            raise ValueError(f"num {count}")
        if kind == "uniform":
            return _even(low, high, count)
        if kind == "loguniform":
            if min(low, high) <= 0:
                raise ValueError(f"got {shown(min(low, high))}, which has no logarithm")
            exponents = _even(math.log10(low), math.log10(high), count)
            return [float(f"{10**exponent:.9g}") for exponent in exponents]
        raise ValueError(f"type {kind}")
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        reason = f"lacks {error}" if isinstance(error, KeyError) else str(error)
        found.lose(name, f"no parameter of a grid that is known here: {reason}")
        return None


def _options(what: Mapping[str, Any]) -> list[Any]:
    """The values of a choice.

    Raises:
        KeyError, ValueError: there are none.
    """
    options = what["options"]
    if not isinstance(options, list) or not options:
        raise ValueError(f"options {shown(options)}, no list of values")
    return options


def _number(value: Any) -> Any:
    """A finite number.

    Raises:
        ValueError: it is none.
    """
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    try:
        if is_number and math.isfinite(value):
            return value
    except OverflowError:
        raise ValueError("got a number too large") from None
    raise ValueError(f"got {shown(value)}, no number")


def _even(low: float, high: float, count: int) -> list[float]:
    """Numbers at equal distances, both ends among them."""
    step = (high - low) / max(1, count - 1)
    return [float(f"{low + place * step:.12g}") for place in range(count)]


def _draw(found: ForeignSweep, block: Mapping[str, Any]) -> None:
    """Take what is drawn, and make the search one that draws."""
    drawn = {name: what for name, what in block.items() if name not in DRAWING}
    read = {name: _random(found, name, what) for name, what in drawn.items()}
    ranges = {name: values for name, values in read.items() if values}
    if not ranges:
        return
    own = (what.get("samples") for what in drawn.values() if isinstance(what, dict))
    counts = [block.get("samples"), *own]
    samples = max((count for count in counts if isinstance(count, int)), default=1)
    grid = math.prod(
        len(values)
        for name, values in found.values.items()
        if isinstance(values, list) and not is_seed(name)
    )
    if grid > 1:
        found.told.append(
            f"grid and random together: {grid} settings of the grid with {samples} samples each as "
            f"{grid * samples} draws of both"
        )
    for name, values in ranges.items():
        _put(found, name, values)
    seed = block.get("seed")
    found.search = {"method": "random", "capacity": samples * grid}
    found.search |= {"seed": seed} if isinstance(seed, int) and seed >= 0 else {}
    found.told.append("the numbers drawn are nthrun's own, of the same distributions")


def _random(found: ForeignSweep, name: str, what: Any) -> Any:
    """What a parameter is drawn from; None, and a line, where that cannot be read."""
    try:
        kind = what["type"]
        if kind == "choice":
            return _options(what)
        low, high = (_number(what[key]) for key in ("min", "max"))
        if kind in ("uniform", "loguniform"):
            return {kind: [low, high]}
        if kind in ("randint", "randint_unique"):
            return {"int": [int(low), int(high) - 1]} if high - low > 1 else [int(low)]
        raise ValueError(f"type {kind}")
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        reason = f"lacks {error}" if isinstance(error, KeyError) else str(error)
        found.lose(name, f"nothing that can be drawn here: {reason}")
        return None
