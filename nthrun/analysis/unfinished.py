"""What is to be known of scores of runs whose last training episode had not ended.

Such an episode counts with its steps and its return so far. That tells a policy that stalls from
one that arrives, but of an episode that has hardly begun it tells little.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from nthrun.analysis.scores import Scores

LARGE_SHARE = 0.05
"""Share of a setting's steps from which it is told that they lie in no finished episode."""


def unfinished_notes(group: Sequence[Scores]) -> Iterator[str]:
    """Sentences of steps outside finished episodes, where they are many, and of records that do
    not have them; none where the scores are not of training episodes.

    Args:
        group: scores that are compared, of one experiment or of several.
    """
    for recorded in (True, False):
        if largest := _largest_share(group, recorded):
            share, whose, of_all = largest
            yield (
                f"{100 * of_all:.3g} % of all steps, {100 * share:.3g} % of {whose}, lie in "
                + (
                    "episodes that had not ended: these count with their return so far"
                    if recorded
                    else "no finished episode and do not count: their records have finished "
                    "episodes only"
                )
            )
    kept = [scores.unfinished.recorded for scores in group if scores.unfinished is not None]
    with_them, without = (sum(int((runs == has).sum()) for runs in kept) for has in (True, False))
    if with_them and without:
        yield (
            f"{without} of {with_them + without} runs were recorded before unfinished episodes "
            "were, and count their finished ones only, unlike the others"
        )


def _largest_share(group: Sequence[Scores], recorded: bool) -> tuple[float, str, float] | None:
    """The setting with the largest share of steps outside finished episodes, where it is large.

    Args:
        recorded: whether those episodes are recorded, and count.

    Returns:
        its share, whose steps these are in words, and the share of all steps.
    """
    shares: list[tuple[float, str]] = []
    outside = total = 0.0
    for scores in group:
        if scores.unfinished is None:
            continue
        own = scores.unfinished.recorded == recorded
        if recorded:
            own &= ~scores.lost  # a lost run counts with nothing
        numbers, rows = np.unique(scores.settings, return_inverse=True)
        steps = np.bincount(rows, np.where(own, scores.unfinished.steps, 0))
        every = np.bincount(rows, scores.unfinished.total)
        outside, total = outside + float(steps.sum()), total + float(every.sum())
        each = np.divide(steps, every, out=np.zeros_like(steps), where=every > 0)
        where = f" in {scores.source}" if len(group) > 1 else ""
        shares.append((float(each.max()), f"those of setting {numbers[each.argmax()]}{where}"))
    share, whose = max(shares, default=(0.0, ""), key=lambda pair: pair[0])
    return (share, whose, outside / total) if share > LARGE_SHARE else None
