"""A definition that has been served never changes; what can be asked for is read as it is written."""

import hashlib
from uuid import uuid4

import pytest

from fsm.problems import Invalid
from reports.registry import DEFINITIONS, MTTR_MEANINGS, Definition, find_definition
from reports.scopes import NONE, Cut, Scope, parse_scope

PUBLISHED: dict[tuple[str, int], str] = {
    ("mtbf", 1): "f3e585b03bb39afe",
    ("restoration", 1): "ebe2b5fa2428bc71",
    ("mrt", 1): "37a92fbfa70c3d8c",
    ("mart", 1): "22f776e6cba3ea4f",
    ("availability", 1): "7754c6dee90cfa4c",
    ("downtime", 1): "709589ad006caab2",
    ("cost", 1): "170dfe6ea1742dec",
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
