"""The lower levels of the nested data dict: a setting, and its runs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, overload

from nthrun.records.entries import Entry
from nthrun.records.schema import OMITTED_FROM_JSON, Run


class RunList(Sequence[Run]):
    """The runs of one setting; each is read when it is asked for."""

    def __init__(self, entries: Sequence[Entry]) -> None:
        self._entries = entries

    def __len__(self) -> int:
        return len(self._entries)

    @overload
    def __getitem__(self, place: int) -> Run: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[Run]: ...
    def __getitem__(self, place: int | slice) -> Run | Sequence[Run]:
        if isinstance(place, slice):
            return RunList(self._entries[place])
        return self._entries[place].load(())


class SettingData(Mapping[str, Any]):
    """`agent_params` and `runs` of one setting."""

    def __init__(self, entries: Sequence[Entry]) -> None:
        self._entries = entries

    @property
    def first(self) -> Entry:
        """The run that tells the hyperparameters."""
        return self._entries[0]

    def __getitem__(self, key: str) -> Any:
        if key == "runs":
            return RunList(self._entries)
        if key == "agent_params":
            return self.first.load(OMITTED_FROM_JSON)["agent_params"]
        raise KeyError(key)

    def __iter__(self) -> Iterator[str]:
        return iter(("agent_params", "runs"))

    def __len__(self) -> int:
        return 2
