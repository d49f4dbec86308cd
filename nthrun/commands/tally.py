"""The tally of a task: run-steps done, from the news of its workers."""

from __future__ import annotations

from dataclasses import dataclass, field

from nthrun.training.progress import Advanced, Began, Lost, News


@dataclass(slots=True)
class _Pack:
    before: int
    now: int = 0


@dataclass
class Tally:
    """Counts what the workers of a task have done.

    Args:
        run_timesteps: steps of one run.

    """

    run_timesteps: int
    _recorded: int = 0
    _earlier_run_steps: int = 0
    _ended: list[_Pack] = field(default_factory=list)
    _packs: dict[int, _Pack] = field(default_factory=dict)

    def begin(self, recorded: int) -> None:
        """Begin to train what is left, or begin again after a failure.

        Args:
            recorded: runs of the task that are recorded by now.
        """
        self._earlier_run_steps = self.new_run_steps
        self._recorded = recorded
        self._ended.clear()
        self._packs.clear()

    def count(self, news: News, worker: int) -> None:
        """Count what a worker tells."""
        match news:
            case Began(done_run_steps=before):
                if worker in self._packs:
                    self._ended.append(self._packs[worker])
                self._packs[worker] = _Pack(before)
            case Advanced(run_steps=steps):
                self._packs[worker].now += steps
            case Lost():
                self._packs.pop(worker, None)

    @property
    def new_run_steps(self) -> int:
        """Done by this attempt."""
        return self._earlier_run_steps + sum(pack.now for pack in self._all())

    @property
    def done_run_steps(self) -> int:
        """Done by this and earlier attempts."""
        in_packs = sum(pack.before + pack.now for pack in self._all())
        return self._recorded * self.run_timesteps + in_packs

    def _all(self) -> list[_Pack]:
        return [*self._ended, *self._packs.values()]
