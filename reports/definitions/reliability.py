"""Figures of what assets did with their time and how long it took to put them right."""

from reports.definitions.definition import Definition, define
from reports.formulae.meters import METER
from reports.formulae.reliability import Availability, TimeBase
from reports.rows import Cause

RELIABILITY: tuple[Definition, ...] = (
    define(
        "mtbf",
        1,
        "h",
        "operating: Σ|R − D| / Σn; calendar: Σ|X| / Σn. X = window ∩ in service ∩ on the contract in scope; "
        "R = X − external outages; D = union of outages that are not degraded; n = failures in X, one per "
        "asset and instant. Interval at 0.9: [2T/χ²(0.95; 2n+2), 2T/χ²(0.05; 2n)]; n = 0: T/ln 10.",
        (str(TimeBase.OPERATING), str(TimeBase.CALENDAR)),
        names=("Mean time between failures", "Средняя наработка между отказами"),
        docs=(
            "Time between failures in hours. Time before the first and after the last failure counts. "
            "Without a failure there is no value, only a lower bound. Left out: failures with an exclusion "
            "code, those whose outages were only degraded or external, those outside the time in service "
            "(or on the contract), and further components that failed in the same instant.",
            "Время между отказами в часах. Время до первого и после последнего отказа учитывается. Без "
            "отказов значения нет, есть только нижняя граница. Не учитываются: отказы с кодом исключения, "
            "отказы, при которых оборудование лишь работало хуже или простаивало по внешней причине, отказы "
            "вне эксплуатации (или вне договора) и другие узлы, отказавшие в тот же момент.",
        ),
    ),
    define(
        "mtbf",
        2,
        "h",
        "operating: Σ|R − D| / Σn; calendar: Σ|X| / Σn; meter: Σ hours that the counters ran within X / "
        "Σn of these assets. X = window ∩ in service ∩ on the contract in scope; R = X − external outages; "
        "D = union of outages that are not degraded; n = failures in X, one per asset and instant. Counters "
        "run evenly between readings, up to 7 days outside them as in the nearest pair, further out as over "
        "all readings; assets with fewer than two readings are left out. Interval at 0.9: [2T/χ²(0.95; "
        "2n+2), 2T/χ²(0.05; 2n)]; n = 0: T/ln 10.",
        (str(TimeBase.OPERATING), str(TimeBase.CALENDAR), METER),
        names=("Mean time between failures", "Средняя наработка между отказами"),
        docs=(
            "Time between failures in hours. Time before the first and after the last failure counts. "
            "Without a failure there is no value, only a lower bound. Left out: failures with an exclusion "
            "code, those whose outages were only degraded or external, those outside the time in service "
            "(or on the contract), and further components that failed in the same instant.",
            "Время между отказами в часах. Время до первого и после последнего отказа учитывается. Без "
            "отказов значения нет, есть только нижняя граница. Не учитываются: отказы с кодом исключения, "
            "отказы, при которых оборудование лишь работало хуже или простаивало по внешней причине, отказы "
            "вне эксплуатации (или вне договора) и другие узлы, отказавшие в тот же момент.",
        ),
    ),
    define(
        "mttf",
        1,
        "h",
        "Σ time installed within the window / failed removals, over serial parts: assets with a serial "
        "number that are built into another one. A part has failed that was taken out with a failure of "
        "its that was not restored before; other removals and running parts are censored. From five failed "
        "removals on the notes give the Kaplan–Meier median and the Weibull fit of their ages, later entry "
        "allowed for. Interval at 0.9 as of mtbf.",
        (),
        names=("Mean time to failure", "Средняя наработка до отказа"),
        docs=(
            "How long the parts last that are replaced, not repaired, in hours installed. Parts that still "
            "run, and those taken out for another reason, count with the time they lasted.",
            "Сколько часов служат детали, которые заменяют, а не ремонтируют. Работающие и снятые по другой "
            "причине детали учитываются временем, которое они прослужили.",
        ),
    ),
    define(
        "restoration",
        1,
        "h",
        "mean, p50, p90 of restored_at − failed_at (else − detected_at, counted in the notes) over failures "
        "with restored_at in the window. Interval of p50 at 0.9: order statistics.",
        ("mean", "p50", "p90"),
        names=("Time to restoration", "Время восстановления"),
        docs=(
            "Hours from failing to working again: detection, waiting and travel, repair, return to service. "
            "A failure belongs to the window, and to the contract, of the instant in which it was restored. "
            "Faults still open are counted in the notes.",
            "Часы от отказа до возобновления работы: обнаружение, ожидание и дорога, ремонт, ввод в работу. "
            "Отказ относится к периоду и договору того момента, когда работа восстановлена. Ещё не "
            "устранённые отказы указаны в примечаниях.",
        ),
    ),
    define(
        "mrt",
        1,
        "h",
        "mean of restored_at − detected_at over repairs that ended in the window. A repair is everything "
        "done for one failure; without one, for one corrective request, from report to the end of its work.",
        (),
        names=("Mean repair time", "Среднее время ремонта"),
        docs=(
            "Hours from detection to working again: waiting and travel, repair, return to service.",
            "Часы от обнаружения до возобновления работы: ожидание и дорога, ремонт, ввод в работу.",
        ),
    ),
    define(
        "mart",
        1,
        "h",
        "mean of |union of work − pauses that stop the repair clock| between detected_at and restored_at, "
        "over repairs that ended in the window and have work recorded.",
        (),
        names=("Mean active repair time", "Среднее время активного ремонта"),
        docs=(
            "Hours in which somebody worked on the repair, whoever and however many: not person-hours. "
            "Repairs without recorded work are left out, not taken for 0.",
            "Часы, в течение которых кто-либо выполнял ремонт, сколько бы человек ни работало: это не "
            "человеко-часы. Ремонты без записанной работы не учитываются, а не считаются нулевыми.",
        ),
    ),
    define(
        "availability",
        1,
        "ratio",
        "operational: Σ|R − D| / Σ|R|; planned_out: planned outages leave both sides. R, D as in mtbf.",
        (str(Availability.OPERATIONAL), str(Availability.PLANNED_OUT)),
        names=("Availability", "Готовность"),
        docs=(
            "Share of the required time in which the equipment worked. External outages are time not "
            "required; degraded time counts as working.",
            "Доля требуемого времени, в течение которой оборудование работало. Внешние простои не входят в "
            "требуемое время; работа с ухудшением считается работой.",
        ),
    ),
    define(
        "downtime",
        1,
        "h",
        "Σ|D ∩ R| by cause, each instant once: failure before operational before planned; total is their "
        "sum. degraded: time worked badly while not down.",
        (
            "total",
            str(Cause.FAILURE),
            str(Cause.OPERATIONAL),
            str(Cause.PLANNED),
            "degraded",
        ),
        names=("Downtime", "Простой"),
        docs=(
            "Hours of required time in which the equipment was down, by cause.",
            "Часы требуемого времени, в течение которых оборудование простаивало, по причинам.",
        ),
    ),
    define(
        "mdt",
        1,
        "h",
        "mean length of merged outages that ended in the window, each whole: overlapping and touching ones "
        "are one; external and degraded ones are none. It belongs to the contract of the instant in which "
        "it ended.",
        (),
        names=("Mean downtime", "Средняя длительность простоя"),
        docs=(
            "How long the equipment is down at a time, in hours. Outages that still go on at the end of what "
            "is counted are left out and counted: they belong to the window in which they end.",
            "Сколько часов в среднем длится один простой. Простои, ещё не закончившиеся к концу периода, не "
            "учитываются и указаны отдельно: они относятся к периоду, в котором закончатся.",
        ),
    ),
    define(
        "repair_split",
        1,
        "h",
        "Of the repairs of mart, per repair: hands_on = mart; travel = |union of travel − hands on|; wait "
        "= mrt − "
        "both; all between detection and restoration.",
        ("hands_on", "travel", "wait"),
        names=("Where repair time goes", "Из чего состоит время ремонта"),
        docs=(
            "Hours of a repair with somebody working, on the way, and waiting. The three add up to the "
            "repair "
            "time of the same repairs.",
            "Часы ремонта: работа, дорога и ожидание. В сумме они дают время ремонта тех же ремонтов.",
        ),
    ),
    define(
        "inherent_availability",
        1,
        "ratio",
        "MTBF / (MTBF + MRT), both as defined here, MTBF on the operating clock.",
        (),
        names=("Inherent availability", "Собственная готовность"),
        docs=(
            "The availability that failures and repairs alone would leave. Null unless both are known.",
            "Готовность, которую оставили бы одни отказы и ремонты. Не определена, если неизвестно хотя "
            "бы одно "
            "из двух.",
        ),
    ),
)
