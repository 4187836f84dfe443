"""What figures say beside each other: a period and the one before, trends of failures, people in a funnel."""

from collections.abc import Sequence

import msgspec

from fsm.actors import Actor
from fsm.database import Session
from fsm.intervals import HOUR
from fsm.problems import Invalid
from reports import promises_sql, queries
from reports.exposure_sql import Page
from reports.formulae.meters import METER
from reports.formulae.reliability import TimeBase
from reports.months import before
from reports.questions import Answered, Asked, Known, Question
from reports.reliability_sql import failure_clocks
from reports.results import Number, Result
from reports.scopes import PERSONAL, Cut, Key, check_cuts, write_key
from reports.statistics import (
    Direction,
    Observed,
    Trend,
    benjamini_hochberg,
    binomial_limits,
    trend,
    wilson_interval,
)

FALSE_FINDINGS = 0.1
"""Of the trends found in a list of many assets, so many may be false on average."""

FEWEST_PROMISES = 20
"""Over fewer the share of promises kept says nothing about what was stated."""

INNER, OUTER = 0.95, 0.998
"""Between its limits lies a person like the others with these probabilities."""


class Comparison(msgspec.Struct, frozen=True):
    """A figure, the same of the period before, and the change; null where either is unknown.

    `is_clear` says whether their intervals are apart, null where one has none.
    """

    present: Result
    before: Result
    change: Number | None
    is_clear: bool | None


class TrendView(msgspec.Struct, frozen=True):
    """Whether failures come faster or more slowly; below five failures nothing is said.

    `p` is twice the smaller p of both tests, `adjusted_p` that for how many were looked at together, which
    decides the direction. `present_mtbf_h` is what a Crow–AMSAA fit gives for the end of the time.
    """

    key: str
    number: str
    name: str
    n: int
    direction: Direction | None
    p: float | None
    adjusted_p: float | None
    laplace_z: float | None
    mil_hdbk_chi2: float | None
    growth_beta: float | None
    present_mtbf_h: float | None


class ChanceBucket(msgspec.Struct, frozen=True):
    """Promises whose stated chance lay in [low, high), the last bucket with 1: how many were kept.

    `stated` is the mean chance. Over fewer than twenty promises the share says nothing and is null; the
    interval is Wilson's. `is_honest` says whether what was stated lies inside it.
    """

    low: float
    high: float
    n: int
    stated: float
    kept: float | None
    interval: tuple[float, float] | None
    is_honest: bool | None


class FunnelPoint(msgspec.Struct, frozen=True):
    """One person's share and between which limits chance alone would put it, exactly binomial.

    `is_outside` beyond the outer limits: worth a question, no verdict.
    """

    key: str
    number: str
    name: str
    n: int
    value: float
    inner: tuple[float, float]
    outer: tuple[float, float]
    is_outside: bool


async def compare(session: Session, actor: Actor, known: Known, question: Question) -> Comparison:
    """Return a figure beside that of the period before, both as they are known now."""
    earlier = question.within(before(question.period, known.zone))
    now, then = await queries.answers(session, actor, known, [question, earlier])
    return compared(now, then)


async def compare_all(
    session: Session, actor: Actor, known: Known, questions: Sequence[Question]
) -> list[Comparison]:
    """Return each figure beside that of the period before, in the order asked."""
    earlier = [question.within(before(question.period, known.zone)) for question in questions]
    found = await queries.answers(session, actor, known, [*questions, *earlier])
    return [
        compared(now, then)
        for now, then in zip(found[: len(questions)], found[len(questions) :], strict=True)
    ]


def compared(now: Result, then: Result) -> Comparison:
    change: Number | None = None
    if now.value is not None and then.value is not None and now.unit == then.unit:
        change = now.value - then.value  # type: ignore[operator]
    return Comparison(now, then, change, _are_apart(now, then))


def _are_apart(now: Result, then: Result) -> bool | None:
    one, other = now.interval, then.interval
    if one is None or other is None or now.value is None or then.value is None:
        return None
    highs = [each.high for each in (one, other)]
    if None in highs:
        return None
    return one.low > other.high or other.low > one.high  # type: ignore[operator]


def check_trend(question: Question, by: Cut) -> None:
    """Refuse rows by which failures have no clock of their own, and counters, which tell no instants."""
    if question.variant == METER:
        detail = "A trend is read on the operating or the calendar clock, not on a meter."
        raise Invalid(detail, errors=[{"at": "/variant", "detail": detail}])
    cuts = tuple(cut for cut in question.definition.cuts if cut is not Cut.MONTH)
    check_cuts("trend", cuts, question.scope, by)


def check_largest(question: Question, by: Cut) -> None:
    """Refuse rows that have no order of size, and above all people: they are in no order of merit."""
    cuts = tuple(
        cut
        for cut in question.definition.cuts
        if cut not in PERSONAL and cut not in (Cut.MONTH, Cut.TENANT)
    )
    check_cuts(f"the largest of {question.definition.kpi}", cuts, question.scope, by)


async def trends(
    session: Session,
    actor: Actor,
    question: Question,
    cut: Cut,
    page: Page | None = None,
) -> list[TrendView]:
    """Return the trend of each key's failures on its assets' own clocks, in the order of keys.

    Looked at together, chance would find some in every list: the direction is that which is left when no
    more than a tenth of the findings are false (Benjamini–Hochberg, over this list).
    """
    clocks = await failure_clocks(
        session,
        actor,
        question.period,
        question.scope,
        cut,
        page,
        is_operating=question.variant == TimeBase.OPERATING,
    )
    labels = await queries.labels(session, actor, cut, list(clocks))
    found = {key: trend(_systems(running)) for key, running in clocks.items()}
    tested = [key for key, each in found.items() if each is not None]
    ps = [each.p for each in found.values() if each is not None]
    adjusted = dict(zip(tested, benjamini_hochberg(ps), strict=True))
    significance = 0.05 if cut is Cut.TENANT else FALSE_FINDINGS
    return [
        _view(
            key,
            labels.get(key, ("", "")),
            sum(len(times) for _, times in clocks[key]),
            each,
            adjusted.get(key),
            significance,
        )
        for key, each in found.items()
    ]


def _systems(running: Sequence[tuple[int, Sequence[int]]]) -> list[Observed]:
    return [Observed(tuple(us / HOUR for us in times), end / HOUR) for end, times in running]


def _view(
    key: Key,
    label: tuple[str, str],
    n: int,
    found: Trend | None,
    adjusted: float | None,
    significance: float,
) -> TrendView:
    if found is None or adjusted is None:
        return TrendView(write_key(key), *label, n, None, None, None, None, None, None, None)
    direction = Direction.NO_TREND
    if adjusted < significance:
        direction = Direction.IMPROVING if found.is_improving else Direction.DETERIORATING
    growth = found.growth
    return TrendView(
        write_key(key),
        *label,
        n,
        direction,
        found.p,
        adjusted,
        found.laplace_z,
        found.mil_hdbk_chi2,
        None if growth is None else growth.beta,
        None if growth is None else growth.instantaneous_mtbf,
    )


async def chance_buckets(asked: Asked) -> list[ChanceBucket]:
    """Return how often promises were kept, by tenth of the chance that was stated when they were told."""
    return [
        _bucket(tenth, n, stated, kept)
        for tenth, n, stated, kept in await promises_sql.chances_by_tenth(asked)
    ]


def _bucket(tenth: int, n: int, stated: float, kept: int) -> ChanceBucket:
    low, high = tenth / 10, (tenth + 1) / 10
    if n < FEWEST_PROMISES:
        return ChanceBucket(low, high, n, stated, None, None, None)
    interval = wilson_interval(kept, n)
    is_honest = interval[0] <= stated <= interval[1]
    return ChanceBucket(low, high, n, stated, kept / n, interval, is_honest)


def funnel(kpi: str, rows: Sequence[Answered]) -> tuple[float | None, list[FunnelPoint]]:
    """Return the share over all, and each person's with the limits of chance around it, unranked.

    Refused for figures that are no share of things counted.
    """
    counted = [row for row in rows if row.result.n and row.result.value is not None]
    if any(
        row.result.interval is None or row.result.interval.method != "wilson" for row in counted
    ):
        detail = f"'{kpi}' is no share of things counted, so chance has no limits for it."
        raise Invalid(detail, errors=[{"at": "/kpi", "detail": detail}])
    hits = sum(int(row.result.numerator.value) for row in counted if row.result.numerator)
    n = sum(row.result.n for row in counted)
    if not n:
        return None, []
    share = hits / n
    points = []
    for row in counted:
        inner = binomial_limits(row.result.n, share, INNER)
        outer = binomial_limits(row.result.n, share, OUTER)
        value = float(row.result.value or 0)
        is_outside = not outer[0] <= value <= outer[1]
        points.append(
            FunnelPoint(
                write_key(row.key),
                row.number,
                row.name,
                row.result.n,
                value,
                inner,
                outer,
                is_outside,
            )
        )
    return share, points
