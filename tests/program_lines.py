"""The lines random step functions are made of.

{0} and {1} are values, {axis}, {axis2}, {axes} and {k} axes and places, {index} and {order} indices
of {0}'s shape, {at} one index, and {cond} a condition.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

FLOATS, NUMBERS, BOOLS = "f", "n", "b"


@dataclass(frozen=True)
class Family:
    """Lines of one kind.

    Attributes:
        kinds: of the operands: f floats, n integers, b booleans.
        discrete: whether operands must be exact.
        exact: whether exact operands give an exact result.
        templates: expressions, or statements that change {0} in place.
    """

    kinds: str
    discrete: bool
    exact: bool
    templates: Sequence[str]
    in_place: bool = False


SMOOTH = (
    *("{0}.tanh()", "{0}.sigmoid()", "{0}.sin()", "(-{0}.abs()).exp()", "{0}.abs().log1p()"),
    *("({0}.abs() + 1).sqrt()", "{0}.softmax({axis})", "{0}.logsumexp({axis})", "{0}.square()"),
    *("{0}.mean({axis}, keepdim=True)", "{0}.log_softmax({axis})", "{0}.tanh().cumprod({axis})"),
    *("{0}.prod({axis})", "{0} * {1}", "{0} / ({1}.abs() + 1)", "torch.add({0}, {1}, alpha=0.3)"),
    *("torch.lerp({0}, {1}, 0.3)", "torch.atan2({0}, {1}.abs() + 1)", "torch.bmm({0}, {1})"),
    *("torch.bmm({0}, {1}.transpose(1, 2))", "torch.bmm({0}.transpose(1, 2), {1})"),
    *("torch.addcmul({0}, {1}, {1}, value=-0.5)", "{0} * {1}.mean()", "{0} - {1}.amax({axes})"),
    *("{0} * 0.3", "{0}.abs() ** 1.5", "1 / ({0}.abs() + 0.5)"),
)
PIECEWISE = (
    *("-{0}", "{0}.abs()", "{0}.relu()", "{0}.clamp(-1, 0.5)", "{0}.sum({axes})", "{0} + {1}"),
    *("{0} - {1}", "torch.maximum({0}, {1})", "torch.minimum({0}, {1})", "{0}.cumsum({axis})"),
    *("{0}.amax({axes})", "{0}.amin({axes}, keepdim=True)", "{0}.max({axis}).values"),
    *("torch.sub({0}, {1}, alpha=2)", "{0}.sort({axis}, descending=True).values", "{0}.double()"),
    *("{0}.topk(1, {axis}).values", "{0}.sort(dim={axis}, stable=True).values", "{0}.float()"),
    *("{0} + {1}.sum()", "{0}.clamp(max={1})", "{0}.min({axis}, keepdim=True).values"),
    *("{0} + {1}.transpose(-1, -2)", "{0} - {1}.roll(1, {axis})", "torch.where({cond}, {0}, {1})"),
    *("{0}[:, 1:] - {1}[:, :-1]", "{0} + {1}.transpose(-1, -2)", "torch.where({cond}, {0}, -{1})"),
)
STEPPED = (
    *("{0}.floor()", "{0}.sign()", "{0}.round()", "{0}.trunc()", "{0} // 0.5", "{0} % 0.75"),
    *("torch.fmod({0}, 0.5)", "torch.div({0}, 0.5, rounding_mode='trunc')", "{0}.ceil()"),
)
RANKS = (
    *("{0}.argmax({axis})", "{0}.argmin({axis}, keepdim=True)", "{0}.max({axis}).indices"),
    *("{0}.argsort({axis}, stable=True)", "{0}.long()", "{0}.sort({axis}, stable=True).indices"),
    *("{0}.argsort({axis}, descending=True, stable=True)", "{0}.int()", "{0}.min({axis})[1]"),
)
WHOLE = (
    *("{0} + {1}", "{0} * 3 - {1}", "{0} % 5", "{0} // 3", "{0} // ({1}.abs() + 1)", "~{0}"),
    *("{0} % ({1}.abs() + 2)", "{0}.clamp(-3, 4)", "{0}.sum({axes})", "{0}.amax({axes})"),
    *("{0} & 6", "{0}.cumsum({axis})", "torch.maximum({0}, {1})", "{0}.int()", "{0}.float() / 4"),
    *("torch.fmod({0}, 3)", "{0} ** 2", "torch.div({0}, 2, rounding_mode='trunc')", "{0} ^ {1}"),
)
COMPARED = (
    *("{0} > {1}", "{0} <= {1}", "{0} == 0", "{0} != {1}", "{0} < 0.3", "{0} >= -1"),
    *("torch.logical_and({0}, {1})", "torch.logical_not({0})", "{0}.bool()"),
)
LOGICAL = (
    *("{0} & {1}", "{0} | {1}", "{0} ^ {1}", "~{0}", "{0}.any({axis})", "{0}.all({axis})"),
    *("{0} == {1}", "{0}.sum({axes})", "{0}.float()", "{0}.cumsum({axis})", "{0}.long() * 2"),
)
MOVED = (
    *("{0}.transpose({axis}, {axis2})", "{0}.flatten(1)", "{0}.unsqueeze({axis2})", "{0}[:, :{k}]"),
    *("{0}[:, {k}:]", "{0}[..., ::2]", "{0}.select({axis}, -1)", "{0}.split(1, {axis})[0]"),
    *("{0}.reshape(1, -1)", "{0}.reshape(1, 2, -1)", "{0}.squeeze()", "{0}[:, 0]", "{0}[:, None]"),
    *("{0}.unsqueeze(1).expand(-1, 3, *{0}.shape[1:])", "{0}[..., -1:]", "{0}.diagonal(0, -2, -1)"),
    *(
        "{0}.unbind({axis})[-1]",
        "{0}.narrow({axis}, 0, {k})",
        "{0}.clone()",
        "{0}.permute(0, 2, 1)",
    ),
    *("torch.cat(({0}, {1}), {axis})", "torch.stack(({0}, {1}), {axis})", "{0}.roll(1, {axis})"),
    *("torch.cat(({0} + 1, {1}, {0}), {axis})", "torch.cat(({0}.flatten(1), {1}.flatten(1)), 1)"),
    *("torch.where({cond}, {0}, {1})", "{0}.masked_fill({cond}, 1)", "{0}.gather({axis}, {index})"),
    *("{0}.index_select({axis}, {index}.flatten())", "{0}[:, {at}]", "{cond} * {0}"),
    *("{0}.scatter_add({axis}, {index}, {1})", "{0}.index_copy(1, {at}, {1})", "{0}.contiguous()"),
    *("{0}.scatter({axis}, {order}, {1})", "{0}.take_along_dim({order}, {axis})", "{0}.tril()"),
)
WRITTEN = (
    *("{0}.add_({1})", "{0}.copy_({1})", "{0}[:, {k}] = {1}", "{0}[:, :{k}] -= {1}", "{0}.zero_()"),
    *("{0}[..., ::2] = {1}", "{0}[:] = {1}", "{0}.clamp_(-1, 2)", "{0}.index_copy_(1, {at}, {1})"),
    *("{0}.masked_fill_({cond}, 1)", "{0}[:, {at}] = {1}", "{0}.index_add_(1, {at}, {1})"),
    *("{0}.copy_(torch.where({cond}, {0}, {1}))", "{0}.copy_({0}.roll(1, {axis}))"),
    *("{0}.add_(1)", "{0}.neg_()", "{0}[:, {k}:] += 1", "{0}.scatter_({axis}, {order}, {1})"),
)
BLENDED = (
    "{0}.lerp_({1}, 0.25)",
    "{0}.mul_(0.7)",
    "{0}.mul_({1})",
    "{0}.tanh_()",
    "{0}[:, {k}] *= {1}",
)

SHIFTED = (
    *("{0}.roll(1, {axis}) + {1}", "{0}.transpose(-1, -2) - {1}", "{0}.cumsum({axis})", "-{0}"),
    *("{1}.transpose(-1, -2) + 0", "{0}.sort({axis}).values", "torch.where({cond}, {0}, {1})"),
    *("{1} * 1", "{0} + {1}.sum()", "{0}.gather({axis}, {order})", "{0}[:, [-1]] - {0}"),
)
"""Next values of a state {0}, which read it at another place than they are written to."""

FAMILIES = (
    Family(FLOATS, False, False, SMOOTH),
    Family(FLOATS, False, True, PIECEWISE),
    Family(FLOATS, True, True, STEPPED),
    Family(FLOATS + NUMBERS, True, True, RANKS),
    Family(NUMBERS, True, True, WHOLE),
    Family(FLOATS + NUMBERS, True, True, COMPARED),
    Family(BOOLS, True, True, LOGICAL),
    Family(FLOATS + NUMBERS + BOOLS, False, True, MOVED),
    Family(FLOATS + NUMBERS + BOOLS, False, True, MOVED),
    Family(FLOATS + NUMBERS, False, True, WRITTEN, in_place=True),
    Family(FLOATS + NUMBERS, False, True, WRITTEN, in_place=True),
    Family(FLOATS, False, False, BLENDED, in_place=True),
)
