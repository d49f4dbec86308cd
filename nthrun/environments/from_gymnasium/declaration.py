"""What a spec may say of an environment that is registered with Gymnasium.

Its constructor's keywords stand under `kwargs`, what it is wrapped in under `wrappers`, and the
spaces of the whole say what agents fit it. It is made bare of the wrappers that nthrun does the
work of.
"""

from __future__ import annotations

import importlib
import importlib.util
import math
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces
from gymnasium.error import DependencyNotInstalled
from gymnasium.wrappers import OrderEnforcing, PassiveEnvChecker

from nthrun.environments.host_environment import HOST_BYTES, UnsupportedSpaceError, action_bounds
from nthrun.errors import Fault, MissingExtraError, SpecError, described
from nthrun.specs.declaration import MAX_ACTIONS, EnvironmentDeclaration
from nthrun.specs.documents import KEYWORDS, WRAPPERS, Document, name_of
from nthrun.specs.environment_spec import word_faults
from nthrun.specs.field import Field, RejectedError, shown
from nthrun.specs.interface import Interface
from nthrun.specs.user_class import WHERE

FIELD = Field(KEYWORDS, "mapping", {}, "keywords handed to the environment exactly as they stand")
WRAPPER_FIELD = Field(
    WRAPPERS,
    "mappings",
    (),
    "what the environment is wrapped in, the innermost first: `name`, as package.module:Class, and "
    "the keywords of its constructor",
)
NAME = "name"
"""Key of a wrapper: which it is."""
LIMIT = "max_episode_steps"
"""A keyword of `gymnasium.make` that no spec may hand on."""
EXTRAS = {"mujoco": "mujoco", "imageio": "mujoco", "minatar": "minatar", "pygame": "render"}
"""Module -> the extra that installs it."""
MAX_VALUES = 1 << 24
"""Most values of one component: float32 has a number for each."""
NO_LIMIT = -1
"""`max_episode_steps` of `gymnasium.make` that leaves the time limit out."""


Wrappers = Sequence[Mapping[str, Any]]
"""As specs list them."""


class WrapperError(ValueError):
    """A wrapper that cannot be had; the message is one line."""


def gymnasium_declaration(document: Document) -> EnvironmentDeclaration:
    """The declaration of the registered environment that a document names.

    It is made once, to see its spaces.

    Raises:
        SpecError: there is none of that name, or it refuses its keywords, or its spaces are not
            supported.
        MissingExtraError: it needs a package that is not installed.
    """
    name = name_of(document, "env_name")
    keywords = _require_keywords(document)
    wrappers = _require_wrappers(document)

    def fault(key: str, problem: str) -> SpecError:
        return SpecError([Fault(document.origin(key), key, problem)])

    try:
        interface = _interface(name, keywords, wrappers)
    except UnsupportedSpaceError as error:
        raise fault(WRAPPERS if wrappers else "env_name", f"{name}: {error}") from error
    except gymnasium.error.Error as error:
        reason = " ".join(str(error).split())
        raise fault("env_name", f"got {name!r}: {reason}") from error
    except WrapperError as error:
        raise fault(WRAPPERS, str(error)) from error
    except (MissingExtraError, KeyboardInterrupt):
        raise
    except BaseException as error:  # whatever its module or its constructor raises
        problem = f"refused by {name}: {described(error)}"
        raise fault(KEYWORDS if keywords else "env_name", problem) from error
    return EnvironmentDeclaration(
        name=name,
        interface=interface,
        program="nthrun.environments.from_gymnasium.program:GymnasiumEnvironment",
        viewer="nthrun.environments.viewer:GymnasiumViewer",
        fields=(FIELD, WRAPPER_FIELD),
        continuous=(not interface.discrete,),
        on_host=True,
    )


def _interface(name: str, keywords: Mapping[str, Any], wrappers: Wrappers) -> Interface:
    """The interface of an environment that is made to look at, and closed again.

    What closing it raises concerns no run, for runs never close their worlds.
    """
    environment = wrapped(make(name, keywords), wrappers)
    try:
        return interface_of(environment.observation_space, environment.action_space)
    finally:
        try:
            environment.close()
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            warnings.warn(f"{name}: closing it failed: {described(error)}", stacklevel=2)


def _require_keywords(document: Document) -> Mapping[str, Any]:
    """The keywords that a document hands on, a copy.

    Raises:
        SpecError: they are no mapping, or not plain data, or the time limit is among them.
    """

    def fault(key: str, problem: str, hint: str = "") -> SpecError:
        return SpecError([Fault(document.origin(key), key, problem, hint)])

    if any(word_faults(document, KEYWORDS)):
        raise SpecError(word_faults(document, KEYWORDS))
    try:
        keywords = FIELD.normalise(document.values.get(KEYWORDS, {}))
    except RejectedError as rejected:
        raise fault(KEYWORDS, rejected.problem, rejected.hint) from None
    assert isinstance(keywords, Mapping)
    if LIMIT in keywords:
        hint = "give that instead"
        raise fault(f"{KEYWORDS}.{LIMIT}", "steps_per_episode is the limit of an episode", hint)
    return keywords


def _require_wrappers(document: Document) -> Wrappers:
    """The wrappers that a document lists.

    Raises:
        SpecError: they are no list of mappings, or one has no name.
    """
    try:
        wrappers = WRAPPER_FIELD.normalise(document.values.get(WRAPPERS, ()))
    except RejectedError as rejected:
        fault = Fault(document.origin(WRAPPERS), WRAPPERS, rejected.problem, rejected.hint)
        raise SpecError([fault]) from None
    assert isinstance(wrappers, tuple)
    for wrapper in wrappers:
        name = wrapper.get(NAME)
        if not isinstance(name, str) or not all(name.partition(":")):
            problem = f"got {shown(wrapper)}, allowed: mappings with a name"
            hint = (
                'for example {"name": "gymnasium.wrappers:FrameStackObservation", "stack_size": 4}'
            )
            raise SpecError([Fault(document.origin(WRAPPERS), WRAPPERS, problem, hint)])
    return wrappers


def wrapped(environment: Any, wrappers: Wrappers) -> Any:
    """An environment in its wrappers.

    Args:
        environment: of Gymnasium's.
        wrappers: each a `name`, as "package.module:Class", and the keywords of its constructor; the
            innermost first.

    Raises:
        WrapperError: one cannot be imported, or refuses what it is given.
    """
    for wrapper in wrappers:
        name = str(wrapper[NAME])
        module, _, attribute = name.partition(":")
        keywords = {key: value for key, value in wrapper.items() if key != NAME}
        try:
            environment = getattr(importlib.import_module(module), attribute)(
                environment, **keywords
            )
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # whatever its module or its constructor raises
            raise WrapperError(f"refused by {name}: {described(error)}") from error
    return environment


def make(name: str, keywords: Mapping[str, Any], render_mode: str | None = None) -> Any:
    """A registered environment without time limit and checks.

    Args:
        name: as Gymnasium spells it; of `module:Id-v0` the module is imported first.
        keywords: of its constructor.
        render_mode: Gymnasium's; None leaves it to the constructor, which need not know of it.

    Raises:
        MissingExtraError: it needs a package that is not installed.
        gymnasium.error.Error: there is no such environment.
        Exception: whatever else its constructor raises for keywords it does not take.
    """
    try:
        if name.startswith("MinAtar/") and name not in gymnasium.registry:
            importlib.import_module("minatar.gym").register_envs()
        _redirect_mujoco_warnings(name)
        asked = keywords if render_mode is None else {**keywords, "render_mode": render_mode}
        environment: Any = gymnasium.make(
            name, max_episode_steps=NO_LIMIT, disable_env_checker=True, **asked
        )
    except (ImportError, DependencyNotInstalled) as error:
        raise _missing_extra(name, error) from error
    while isinstance(environment, (OrderEnforcing, PassiveEnvChecker)):
        environment = environment.env
    return environment


def _redirect_mujoco_warnings(name: str) -> None:
    """Turn MuJoCo's warnings into Python's, instead of lines in a file in the working directory.

    That a shipped model uses what MuJoCo deprecates is nothing a user can mend.
    """
    registered = gymnasium.registry.get(name)
    if registered is None or "mujoco" not in str(registered.entry_point):
        return

    def warn(message: str) -> None:
        if "deprecated" not in message:
            warnings.warn(f"MuJoCo: {message}", RuntimeWarning, stacklevel=2)

    importlib.import_module("mujoco").set_mju_user_warning(warn)


def _missing_extra(name: str, error: Exception) -> MissingExtraError:
    """The error that names the extra an environment needs, by what could not be imported."""
    reason = " ".join(str(error).split())
    wanted = [
        extra
        for module, extra in EXTRAS.items()
        if module in reason.lower() and importlib.util.find_spec(module) is None
    ]
    hint = WHERE if ":" in name else "install what it names"
    if wanted:
        hint = f'pip install ".[{wanted[0]}]"'
    return MissingExtraError(f"env_name: {name} cannot be imported: {reason}", hint)


def _flat_space(observations: spaces.Space[Any]) -> spaces.Box:
    """Observations as one vector.

    Raises:
        UnsupportedSpaceError: they are of no fixed size, or of a kind of their own, such as a text.
    """
    if flat := _flattened(observations):
        return flat
    if not isinstance(observations, spaces.Dict):
        raise UnsupportedSpaceError(f"observations {observations} have no fixed size")
    odd = [
        f"{name} ({type(space).__name__})"
        for name, space in observations.items()
        if not _flattened(space)
    ]
    wrapper = '{"name": "gymnasium.wrappers:FilterObservation", "filter_keys": [...]}'
    raise UnsupportedSpaceError(
        f"observations have no fixed size, by {', '.join(odd)}; a wrapper may leave that out or "
        f'encode it, such as "wrappers": [{wrapper}]'
    )


def _flattened(space: spaces.Space[Any]) -> spaces.Box | None:
    """A space as one vector; None where it has no fixed size."""
    try:
        flat = spaces.flatten_space(space) if space.is_np_flattenable else None
    except NotImplementedError:  # spaces that an environment's package adds
        return None
    return flat if isinstance(flat, spaces.Box) else None


@dataclass(frozen=True, slots=True)
class CountedComponents:
    """The components of an action that are whole numbers, and its one number.

    The first component changes fastest: of components that take 2 and 3 values, the actions 0 to 5
    are (0, 0), (1, 0), (0, 1), (1, 1), (0, 2), (1, 2), each beside the least.

    Attributes:
        least: value of each component, in the order of the array.
        counts: how many values each takes.
        shape, dtype: of the array.
    """

    least: tuple[int, ...]
    counts: tuple[int, ...]
    shape: tuple[int, ...]
    dtype: np.dtype[Any]

    def num_actions(self) -> int:
        """How many actions there are; 0 where they are too many to be told apart by one number."""
        count = math.prod(self.counts)
        return count if count <= MAX_ACTIONS else 0

    def array(self, number: int) -> np.ndarray:
        """The action of a number.

        Raises:
            ValueError: there is none.
        """
        values, rest = [], number
        for count in self.counts:
            rest, value = divmod(rest, count)
            values.append(value)
        if rest:
            raise ValueError(f"action {number}, allowed: 0 to {math.prod(self.counts) - 1}")
        return self.array_of(values)

    def array_of(self, values: Iterable[float]) -> np.ndarray:
        """The action whose components are so much more than the least, `(len(counts),)`."""
        added = [least + int(value) for least, value in zip(self.least, values, strict=True)]
        return np.array(added, self.dtype).reshape(self.shape)


def counted_components(actions: spaces.Space[Any]) -> CountedComponents | None:
    """The components of a space whose actions are arrays of whole numbers; None for other spaces.

    Raises:
        UnsupportedSpaceError: a component is not bounded, or has more values than can be told
            apart.
    """
    if isinstance(actions, spaces.MultiDiscrete):
        least, counts = actions.start, actions.nvec
    elif isinstance(actions, spaces.MultiBinary):
        least, counts = np.zeros(actions.shape, int), np.full(actions.shape, 2)
    elif isinstance(actions, spaces.Box) and not np.issubdtype(actions.dtype, np.floating):
        if not actions.is_bounded():
            raise UnsupportedSpaceError(f"actions {actions} are whole numbers without bounds")
        least, counts = actions.low, actions.high.astype(object) - actions.low.astype(object) + 1
    else:
        return None
    shape, dtype = actions.shape, actions.dtype
    assert shape is not None
    assert dtype is not None
    lowest, number = (tuple(map(int, np.ravel(part).tolist())) for part in (least, counts))
    if max(number, default=1) > MAX_VALUES:
        raise UnsupportedSpaceError(
            f"actions have a component of {max(number):,} values, allowed: 1 to {MAX_VALUES:,}"
        )
    return CountedComponents(lowest, number, shape, np.dtype(dtype))


def _image(observations: spaces.Space[Any]) -> tuple[int, ...]:
    """Height, width and channels of observations that have them, in this order; () of others."""
    shape = observations.shape if isinstance(observations, spaces.Box) else None
    if shape is None or len(shape) not in (2, 3):
        return ()
    return tuple(shape) if len(shape) == 3 else (*shape, 1)


def interface_of(observations: spaces.Space[Any], actions: spaces.Space[Any]) -> Interface:
    """The interface of an environment on the host with these spaces.

    Raises:
        UnsupportedSpaceError: actions are not bounded, or observations are of no fixed size.
    """
    flat = _flat_space(observations)
    low, high = (tuple(bound.astype(float).ravel().tolist()) for bound in (flat.low, flat.high))
    seen = Interface(low, high, host_bytes=HOST_BYTES, image=_image(observations))
    if isinstance(actions, spaces.Discrete):
        return replace(seen, num_actions=int(actions.n))
    if counted := counted_components(actions):
        return replace(seen, num_actions=counted.num_actions(), heads=counted.counts)
    if not isinstance(actions, spaces.Box) or not np.issubdtype(actions.dtype, np.floating):
        allowed = "Discrete, MultiDiscrete, MultiBinary or Box"
        raise UnsupportedSpaceError(f"actions {actions}, allowed: {allowed}")
    low, high = action_bounds(actions.low, actions.high)
    return replace(seen, action_low=low, action_high=high)
