"""A definition that has been served never changes; what can be asked for is read as it is written."""

import hashlib
from datetime import UTC, datetime
from uuid import uuid4
from zoneinfo import ZoneInfo

import pytest

from fsm.problems import Invalid
from reports.computed import FIGURES
from reports.months import before, month_of, months_of
from reports.registry import DEFINITIONS, MTTR_MEANINGS, Definition, find_definition
from reports.rows import Period
from reports.scopes import NONE, Cut, Scope, parse_scope

PUBLISHED: dict[tuple[str, int], str] = {
    ("mtbf", 1): "f3e585b03bb39afe",
    ("restoration", 1): "ebe2b5fa2428bc71",
    ("mrt", 1): "37a92fbfa70c3d8c",
    ("mart", 1): "22f776e6cba3ea4f",
    ("availability", 1): "7754c6dee90cfa4c",
    ("downtime", 1): "709589ad006caab2",
    ("cost", 1): "170dfe6ea1742dec",
    ("cost", 2): "4f22e1f4e4da201c",
    ("technician_pay", 1): "50f701132580b26c",
    ("contract_margin", 1): "f500d66283774c6c",
    ("payer_split", 1): "d532a76535962b5a",
    ("sla_response", 1): "b9e6d1d9c01132c9",
    ("sla_restoration", 1): "37265cfea79a8f31",
    ("first_time_fix", 1): "0d7b8c9b54263deb",
    ("repeat", 1): "7c643ee45aefa272",
    ("reopen", 1): "a56aa017a0e7b115",
    ("rework", 1): "a718a5f8664715b8",
    ("on_time", 1): "9f0bb19605e67999",
    ("adherence", 1): "6d959bf837e0ca36",
    ("pm_compliance", 1): "bf64aecaf974d1bb",
    ("pm_ratio", 1): "74ad3eaeab3a4202",
    ("backlog", 1): "75964fbb0050b8fe",
    ("fcr", 1): "6755279b037ef947",
    ("utilisation", 1): "a2508640f631d655",
    ("wrench", 1): "428f597430fd8f05",
    ("travel", 1): "0ab8884d38d2428a",
    ("travel", 2): "361e28937677f820",
    ("repair_split", 1): "f0672dd8c5b9ba03",
    ("inherent_availability", 1): "15509a2b63bdd8de",
    ("on_time", 2): "727c713f896e3727",
    ("calibration", 1): "fb538b083958aeb3",
    ("mtbf", 2): "96d4a22af3fa9c09",
    ("mttf", 1): "a7d054c54c19669a",
    ("mdt", 1): "8d9eeb30e66e0482",
    ("csat", 1): "fc63ae252dd0f460",
    ("nps", 1): "6ea2eb90a9534e35",
    ("warranty_recovery", 1): "f9722b097d9f4f33",
    ("contractor", 1): "26cdc1c4f9d3770b",
    ("sla_arrival", 1): "2e7a752aa473afed",
    ("sla_resolution", 1): "0410fad34661ffcb",
    ("sla_statutory", 1): "141a1463ddbe1ff7",
    ("on_time", 3): "c3629776ea085476",
    ("calibration", 2): "5660bbc86e61ee3e",
    ("contractor", 2): "d376571b0d9482aa",
}
"""(kpi, version) → the beginning of the digest of what it computes. Add lines; never change one."""


def digest(definition: Definition) -> str:
    return hashlib.sha256(
        repr(
            (
                definition.kpi,
                definition.version,
                definition.unit,
                definition.formula,
                definition.variants,
            )
        ).encode()
    ).hexdigest()[:16]


def test_a_published_definition_never_changes() -> None:
    assert {(each.kpi, each.version): digest(each) for each in DEFINITIONS} == PUBLISHED


def test_every_meaning_of_mttr_is_a_figure() -> None:
    assert [find_definition(kpi).kpi for kpi in MTTR_MEANINGS] == list(MTTR_MEANINGS)


@pytest.mark.parametrize(
    "scope",
    [
        Scope(),
        Scope(((Cut.ASSET, uuid4()),)),
        Scope(((Cut.ASSET, uuid4()), (Cut.CONTRACT, NONE), (Cut.SITE, uuid4()))),
    ],
)
def test_a_scope_is_read_as_it_is_written(scope: Scope) -> None:
    assert parse_scope(str(scope)) == scope


def test_the_order_of_parts_does_not_matter() -> None:
    one, other = f"asset:{uuid4()}", f"contract:{uuid4()}"
    assert parse_scope(f"{one},{other}") == parse_scope(f"{other},{one}")


@pytest.mark.parametrize(
    "text", ["", ",", "asset", "asset:", "tenant,tenant", "asset:x", "customer:none"]
)
def test_what_is_no_scope_is_refused(text: str) -> None:
    with pytest.raises(Invalid):
        parse_scope(text)


def test_every_figure_of_the_registry_is_computed() -> None:
    assert {definition.kpi for definition in DEFINITIONS} == set(FIGURES)


def test_a_region_is_named_whatever_characters_it_holds() -> None:
    scope = Scope(((Cut.REGION, "Île-de-France, ouest"),))
    assert parse_scope(str(scope)) == scope
    assert parse_scope("region:none") == Scope(((Cut.REGION, ""),))


@pytest.mark.parametrize(
    ("begins", "ends", "expected"),
    [
        # Whole months of the company's zone, over the change of clocks.
        ((2026, 3, 1), (2026, 4, 1), (2026, 2, 1)),
        ((2026, 1, 1), (2026, 4, 1), (2025, 10, 1)),
        ((2026, 3, 30), (2026, 4, 2), (2026, 3, 27)),
    ],
)
def test_a_period_is_compared_with_the_one_before(begins, ends, expected) -> None:
    paris = ZoneInfo("Europe/Paris")
    first, end, earlier = (datetime(*day, tzinfo=paris) for day in (begins, ends, expected))
    assert before(Period(first, end, end), "Europe/Paris") == Period(earlier, first, end)


def test_months_are_those_of_the_zone_and_the_ends_are_cut() -> None:
    period = Period(
        datetime(2026, 2, 10, tzinfo=UTC),
        datetime(2026, 4, 1, tzinfo=UTC),
        datetime(2026, 5, 1, tzinfo=UTC),
    )
    parts = list(months_of(period, "Europe/Paris"))
    assert [month_of(part.from_at, "Europe/Paris") for part in parts] == [
        *("2026-02", "2026-03", "2026-04"),
    ]
    assert parts[1].from_at == datetime(2026, 2, 28, 23, tzinfo=UTC)
    assert parts[2].from_at == datetime(2026, 3, 31, 22, tzinfo=UTC)
    assert parts[2].to_at == period.to_at
