"""What the rules of counted figures share: a proportion with its interval, words counted beside it."""

from collections import Counter
from collections.abc import Iterable, Sequence

from reports.results import Figure, Interval, NullReason, Share, ratio
from reports.statistics import LEVEL, wilson_interval


def proportion(
    shares: Sequence[Share], things: str, empty: NullReason, notes: tuple[str, ...]
) -> Figure:
    """Return hits / counted with Wilson's interval; each counted share is 0 or 1 of 1."""
    listed = [share for share in shares if share.excluded is None]
    hits = sum(int(share.numerator) for share in listed)
    return ratio(
        shares,
        units=(things, things),
        null_reason=empty,
        n=len(listed),
        interval=(
            Interval(*wilson_interval(hits, len(listed)), LEVEL, "wilson") if listed else None
        ),
        notes=notes,
    )


def counted(words: Iterable[str]) -> tuple[str, ...]:
    """Return how often each word stands, as notes: "late:3"."""
    return tuple(f"{word}:{count}" for word, count in sorted(Counter(words).items()))
