"""Figures of promises kept, repairs that held, and work that waits."""

from reports.definitions.definition import Definition, define
from reports.scopes import JOB_CUTS

_SLA_FORMULA = (
    "met / (met + breached) of the {kind} clocks due in the window; p50, p90: business hours that the "
    "stopped "
    "ones took. met: latest stop ≤ due; breached: earliest stop > due, or open with due < as_of; else "
    "disputed. Interval at 0.9: Wilson, order statistics."
)
_STATUTORY_FORMULA = (
    "met / (met + breached) of the statutory repair periods that ended in the window; p50, p90: calendar "
    "hours from the report until the function was back, neither opening hours nor pauses taken out. met: "
    "latest stop ≤ due; breached: earliest stop > due, or open with due < as_of; else disputed. Interval at "
    "0.9: Wilson, order statistics."
)
_SLA_DOCS = (
    "A promise belongs to the window in which it fell due, so that staying open takes nothing out of the "
    "sum. Running, paused and cancelled ones and work without a service level are left out and counted; "
    "disputed ones too, and the result shows how far they could move it.",
    "Обещание относится к периоду, в котором наступил его срок: открытые заявки из суммы не выпадают. "
    "Идущие, приостановленные, отменённые и работы без уровня сервиса не учитываются и указаны отдельно; "
    "спорные тоже, и результат показывает, насколько они могли бы его изменить.",
)


def _kept(kind: str, english: str, russian: str, formula: str = _SLA_FORMULA) -> Definition:
    return define(
        f"sla_{kind}",
        1,
        "ratio",
        formula.format(kind=kind),
        ("share", "p50", "p90"),
        names=(english, russian),
        docs=_SLA_DOCS,
        cuts=JOB_CUTS,
    )


SERVICE: tuple[Definition, ...] = (
    _kept("response", "Responses in time", "Реакция в срок"),
    _kept("restoration", "Restorations in time", "Восстановление в срок"),
    _kept("arrival", "Arrivals in time", "Прибытие в срок"),
    _kept("resolution", "Work done in time", "Работы завершены в срок"),
    _kept(
        "statutory",
        "Repairs within the statutory period",
        "Ремонт в срок по закону",
        _STATUTORY_FORMULA,
    ),
    define(
        "first_time_fix",
        1,
        "ratio",
        "Repairs solved by exactly one attendance, not reopened and not repeated within 30 days / repairs "
        "whose "
        "first attendance ended in the window. Attendance: visits whose time on site overlaps. Left out: no "
        "access, cancelled, planned visits, remote. Interval at 0.9: Wilson.",
        (),
        names=("First-time fix", "Решено с первого визита"),
        docs=(
            "Share of repairs that needed one attendance only. One that is not solved counts against. "
            "Until 30 "
            "days have passed the figure may still fall. Read it beside the repeats.",
            "Доля ремонтов, которым хватило одного приезда. Нерешённый ремонт считается неудачей. Пока не "
            "прошло 30 дней, показатель может снизиться. Смотрите вместе с повторными отказами.",
        ),
        cuts=JOB_CUTS,
    ),
    define(
        "repeat",
        1,
        "ratio",
        "Repairs followed within 30 days by one of the same asset (else site) and failure class / repairs "
        "restored in the window. Class: the failure's mode, else the type of work. Interval at 0.9: Wilson.",
        (),
        names=("Repeat repairs", "Повторные ремонты"),
        docs=(
            "Share of repairs after which the same thing broke again. Nothing is linked by the customer "
            "alone.",
            "Доля ремонтов, после которых то же самое сломалось снова. Только по заказчику ремонты не "
            "связываются.",
        ),
        cuts=JOB_CUTS,
    ),
    define(
        "reopen",
        1,
        "ratio",
        "Jobs reopened within 30 days / jobs closed in the window. Interval at 0.9: Wilson.",
        (),
        names=("Reopened work", "Возвращённые работы"),
        docs=(
            "Share of closed jobs that came back. A job closed twice in the window counts once.",
            "Доля закрытых работ, которые вернулись. Работа, закрытая в периоде дважды, считается один раз.",
        ),
        cuts=JOB_CUTS,
    ),
    define(
        "rework",
        1,
        "ratio",
        "Person-hours worked on jobs after they were reopened, or on jobs that are rework / person-hours "
        "worked, both in the window; overlapping entries of one person on one job once.",
        (),
        names=("Rework", "Доля переделок"),
        docs=(
            "Share of the working time that went into doing work again.",
            "Доля рабочего времени, ушедшая на переделки.",
        ),
        cuts=JOB_CUTS,
    ),
    define(
        "on_time",
        1,
        "ratio",
        "Visits that arrived by the end of the announced window and began work no earlier than its start / "
        "visits with a window that ends in the window of the figure. No arrival: broken. Interval at 0.9: "
        "Wilson.",
        (),
        names=("Arrivals on time", "Приезд вовремя"),
        docs=(
            "Share of announced arrival windows that were kept; early, late and missed ones are counted "
            "apart. "
            "Left out: windows still running, jobs cancelled, visits that another one replaced in the "
            "same window.",
            "Доля сдержанных обещаний о времени приезда; ранние, поздние и пропущенные указаны отдельно. Не "
            "учитываются: ещё не истёкшие, отменённые работы и визиты, заменённые другими в том же окне.",
        ),
        cuts=JOB_CUTS,
    ),
    define(
        "on_time",
        2,
        "ratio",
        "Promises kept / promises whose window ends in the window. Kept: arrived by the end and began "
        "work no "
        "earlier than the start. original: the first promise, or the first after the customer had it "
        "changed; "
        "last: the last one told. No arrival: broken. Jobs without a recorded promise count by the "
        "windows of "
        "their visits. Interval at 0.9: Wilson.",
        ("original", "last"),
        names=("Arrivals on time", "Приезд вовремя"),
        docs=(
            "Share of promised arrival windows that were kept; early, late and missed ones are counted "
            "apart. "
            "Only the customer's own change replaces what was promised. Left out: windows still running, "
            "jobs "
            "cancelled, promises that the customer had changed.",
            "Доля сдержанных обещаний о времени приезда; ранние, поздние и пропущенные указаны отдельно. "
            "Обещание заменяет только перенос по просьбе заказчика. Не учитываются: ещё не истёкшие, "
            "отменённые работы и обещания, изменённые по просьбе заказчика.",
        ),
        cuts=JOB_CUTS,
    ),
    define(
        "on_time",
        3,
        "ratio",
        "Promises kept / promises whose window ends in the window. Kept: arrived by the end and began "
        "work no "
        "earlier than the start. original: the first promise, or the first after the customer had it "
        "changed; "
        "last: the last one told. No arrival: broken, whatever was changed or cancelled after the promised "
        "window. Jobs without a recorded promise count by the windows of their visits. Interval at 0.9: "
        "Wilson.",
        ("original", "last"),
        names=("Arrivals on time", "Приезд вовремя"),
        docs=(
            "Share of promised arrival windows that were kept; early, late and missed ones are counted "
            "apart. Only the customer's own change replaces what was promised. Left out: windows still "
            "running, jobs cancelled and promises that the customer had changed before the window was over.",
            "Доля сдержанных обещаний о времени приезда; ранние, поздние и пропущенные указаны отдельно. "
            "Обещание заменяет только перенос по просьбе заказчика. Не учитываются: ещё не истёкшие, а также "
            "работы, отменённые до конца окна, и обещания, изменённые по просьбе заказчика до его конца.",
        ),
        cuts=JOB_CUTS,
    ),
    define(
        "calibration",
        1,
        "ratio",
        "Over the original promises of on_time with a stated probability p: brier = mean of (p − kept)²; "
        "stated = "
        "mean of p; kept = share kept. The notes count them by tenth of p.",
        ("brier", "stated", "kept"),
        names=("Calibration of promises", "Калибровка обещаний"),
        docs=(
            "Whether promises are kept as often as was said when they were told: stated and kept should "
            "agree, "
            "and brier is 0 at best.",
            "Выполняются ли обещания так часто, как было сказано: «stated» и «kept» должны совпадать, лучшее "
            "значение «brier» — 0.",
        ),
        cuts=JOB_CUTS,
    ),
    define(
        "calibration",
        2,
        "ratio",
        "Over the original promises of on_time, version 3, with a stated probability p: brier = mean of "
        "(p − kept)²; stated = mean of p; kept = share kept. The notes count them by tenth of p.",
        ("brier", "stated", "kept"),
        names=("Calibration of promises", "Калибровка обещаний"),
        docs=(
            "Whether promises are kept as often as was said when they were told: stated and kept should "
            "agree, "
            "and brier is 0 at best.",
            "Выполняются ли обещания так часто, как было сказано: «stated» и «kept» должны совпадать, лучшее "
            "значение «brier» — 0.",
        ),
        cuts=JOB_CUTS,
    ),
    define(
        "adherence",
        1,
        "ratio",
        "visits: visits done on the day planned by the technician planned / visits in the plan frozen at "
        "18:00 "
        "of the day before, for days in the window; hours: the same weighted by planned time.",
        ("visits", "hours"),
        names=("Schedule adherence", "Соблюдение плана"),
        docs=(
            "Share of the frozen plan that took place as planned. Visits that broke in are listed, not "
            "counted.",
            "Доля замороженного плана, выполненная как запланировано. Внеплановые визиты указаны, но не "
            "учитываются.",
        ),
        cuts=JOB_CUTS,
    ),
    define(
        "pm_compliance",
        1,
        "ratio",
        "Preventive work done within its tolerance / preventive work due in the window. The tolerance is the "
        "plan's, else 10 % of the interval. Left out: covered by a larger service, withdrawn, asset retired, "
        "still running. Interval at 0.9: Wilson.",
        (),
        names=("Preventive work in time", "Обслуживание в срок"),
        docs=(
            "Early, late, missed and skipped work stays in the denominator.",
            "Сделанное раньше, позже, пропущенное и отменённое обслуживание остаётся в знаменателе.",
        ),
        cuts=JOB_CUTS,
    ),
    define(
        "pm_ratio",
        1,
        "ratio",
        "Person-hours of preventive work / person-hours of preventive and corrective work, in the window.",
        (),
        names=("Preventive share", "Доля профилактики"),
        docs=(
            "How much of the work prevents failures. Improvements are neither and left out.",
            "Какая часть работы предупреждает отказы. Улучшения не относятся ни к тому, ни к другому.",
        ),
        cuts=JOB_CUTS,
    ),
    define(
        "backlog",
        1,
        "job",
        "Jobs reported and not done or cancelled at the end of the window (or as_of, if earlier): count; "
        "p50 and "
        "p90 of their age in hours; hours: Σ estimate × crew; weeks: hours / weekly capacity, which is "
        "the hours "
        "on shift of the four weeks before, net of breaks and absences, over 4.",
        ("count", "p50", "p90", "hours", "weeks"),
        names=("Backlog", "Невыполненные работы"),
        docs=(
            "The work that waited at an instant, by age, for any instant of the past. Weeks are for the "
            "whole "
            "company.",
            "Работы, ожидавшие выполнения в заданный момент, по возрасту, на любой момент прошлого. Недели — "
            "только для компании в целом.",
        ),
        cuts=JOB_CUTS,
    ),
    define(
        "fcr",
        1,
        "ratio",
        "Requests solved without a visit and without another contact about the same asset (else site) "
        "within 30 "
        "days / requests whose work ended in the window. Interval at 0.9: Wilson.",
        (),
        names=("Solved at first contact", "Решено при первом обращении"),
        docs=(
            "Share of requests after which nobody had to come or to call again.",
            "Доля обращений, после которых не понадобились ни выезд, ни повторный звонок.",
        ),
        cuts=JOB_CUTS,
    ),
    define(
        "csat",
        1,
        "ratio",
        "Ratings of four or five stars / ratings, the last of each rater of a visit, over visits finished in "
        "the window. Null below five ratings. Interval at 0.9: Wilson.",
        (),
        names=("Satisfied customers", "Довольные заказчики"),
        docs=(
            "Share of ratings with four stars or five. Visits that nobody rated are left out and counted: "
            "beside the ratings they tell how many answered.",
            "Доля оценок в четыре и пять звёзд. Визиты без оценки не учитываются и указаны отдельно: по ним "
            "видно, сколько заказчиков ответили.",
        ),
        cuts=JOB_CUTS,
    ),
    define(
        "nps",
        1,
        "ratio",
        "(answers of 9 and 10 − answers of 0 to 6) / answers whether the customer would recommend us, the "
        "last of each rater of a visit, over visits finished in the window; from −1 to 1. Null below five "
        "answers.",
        (),
        names=("Net promoter score", "Индекс готовности рекомендовать"),
        docs=(
            "How many more customers would recommend us than would not. Visits without a rating and ratings "
            "without this answer are left out and counted.",
            "Насколько больше тех, кто нас порекомендует, чем тех, кто нет. Визиты без оценки и оценки без "
            "этого ответа не учитываются и указаны отдельно.",
        ),
        cuts=JOB_CUTS,
    ),
)
