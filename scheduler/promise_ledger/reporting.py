"""How promises came out, counted against what was promised at first and against the last word."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from scheduler.promise_ledger.queries import Counted
from scheduler.promises.keeping import Judged, Outcome, Report, originals, report


@dataclass(frozen=True, slots=True)
class Kept:
    """Promises by outcome, and how chances came true."""

    original: dict[str, int]
    last: dict[str, int]
    report: Report


def kept_of(counted: Sequence[Counted]) -> Kept:
    """Return how promises came out; `counted` is in order of jobs, and of telling within a job."""
    first: Counter[str] = Counter()
    last: Counter[str] = Counter()
    for _, several in groupby(counted, key=lambda each: each.work_order_id):
        promises = list(several)
        counts_for = originals([each.asked_by for each in promises])
        first.update(promises[number].outcome for number in set(counts_for))
        # The last word before each new beginning is the last of those that count for the same.
        ends = {original: number for number, original in enumerate(counts_for)}
        last.update(promises[number].outcome for number in ends.values())
    judged = [
        Judged(each.probability, each.outcome is Outcome.KEPT)
        for each in counted
        if each.probability is not None and each.outcome is not Outcome.VOID
    ]
    return Kept(_in_words(first), _in_words(last), report(judged))


def share(outcomes: Mapping[str, int]) -> float | None:
    """Return the share kept, None where nothing was promised that could be kept or broken."""
    of = sum(count for outcome, count in outcomes.items() if outcome != Outcome.VOID)
    return outcomes[Outcome.KEPT] / of if of else None


def _in_words(found: Counter[str]) -> dict[str, int]:
    return {str(outcome): found[outcome] for outcome in Outcome}
