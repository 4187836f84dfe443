"""Many figures at once, in one snapshot: what a page of tiles shows, and what its file holds."""

from collections.abc import Sequence

import msgspec

from fsm.actors import Actor
from fsm.database import Session
from reports import queries, studies
from reports.questions import Answered, Known, Question
from reports.scopes import Cut
from reports.studies import Comparison


class SheetItem(msgspec.Struct, frozen=True):
    """One figure of a sheet beside that of the period before."""

    kpi: str
    variant: str
    comparison: Comparison


async def compare_all(
    session: Session, actor: Actor, known: Known, questions: Sequence[Question]
) -> list[SheetItem]:
    """Return each figure beside that of the period before, in the order asked."""
    compared = await studies.compare_all(session, actor, known, questions)
    return [
        SheetItem(question.definition.kpi, question.variant, comparison)
        for question, comparison in zip(questions, compared, strict=True)
    ]


async def answer_all(
    session: Session,
    actor: Actor,
    known: Known,
    questions: Sequence[Question],
    language: str,
    cut: Cut = Cut.TENANT,
) -> list[Answered]:
    """Return the rows of all figures, one figure after another.

    Over the whole company a row is a figure: its id is `kpi:variant`, its number the variant. By another cut
    a row is one figure of one key, as in a table of that figure alone.
    """
    if cut is not Cut.TENANT:
        return [
            row
            for question in questions
            for row in await queries.table(session, actor, known, question, cut)
        ]
    return [
        Answered(
            written(question),
            question.variant,
            question.definition.names.get(language, question.definition.kpi),
            result,
        )
        for question, result in zip(
            questions, await queries.answers(session, actor, known, questions), strict=True
        )
    ]


def written(question: Question) -> str:
    """Return how a figure of a sheet is asked for: `backlog:p90`, or the name alone where there is one."""
    kpi = question.definition.kpi
    return f"{kpi}:{question.variant}" if question.variant else kpi
