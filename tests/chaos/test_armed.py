"""Every negative control changes what the product really runs, in a way that the product can still call.

A control that replaces what nobody uses any more, or that a call no longer fits, breaks nothing or breaks it
loudly: then it proves nothing about the oracles.
"""

import ast
import inspect
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import pytest

import fsm.app
import fsm.evidence.local_store
import fsm.worker
from fsm.database import Session
from mobile_api import intents, pull, push, sequencer
from tests.chaos import controls
from tests.chaos.test_controls import CONTROLS


class Change(NamedTuple):
    """A name of a module that a control gave another meaning."""

    module: ModuleType
    name: str
    old: Any
    new: Any


def product() -> list[ModuleType]:
    packages = ("fsm", "mobile_api")
    return [one for name, one in sys.modules.items() if name.partition(".")[0] in packages]


@contextmanager
def applied(control: str) -> Iterator[list[Change]]:
    """Break the product in this process, yield what was changed, and mend it."""
    before = {module: dict(vars(module)) for module in product()}
    commit = Session.commit
    try:
        getattr(controls, control)()
        yield [
            Change(module, name, old.get(name), new)
            for module, old in before.items()
            for name, new in vars(module).items()
            if new is not old.get(name)
        ]
    finally:
        Session.commit = commit  # type: ignore[method-assign]
        for module, old in before.items():
            vars(module).update(old)


@cache
def text(module: ModuleType) -> str:
    return Path(module.__file__ or "").read_text()


@cache
def tree(module: ModuleType) -> ast.Module:
    return ast.parse(text(module))


def uses(change: Change) -> Iterator[tuple[ModuleType, ast.Call | None]]:
    """Yield where the product comes by a changed name at run time: the call, or None where it hands it on."""
    for module in product():
        if module is not change.module and f".{change.name}" not in text(module):
            continue
        calls = {id(one.func): one for one in ast.walk(tree(module)) if isinstance(one, ast.Call)}
        for node in ast.walk(tree(module)):
            match node:
                case ast.Name(id=change.name, ctx=ast.Load()) if module is change.module:
                    yield module, calls.get(id(node))
                case ast.Attribute(value=ast.Name(id=alias), attr=change.name) if (
                    vars(module).get(alias) is change.module
                ):
                    yield module, calls.get(id(node))


def check_it_fits(call: ast.Call, function: Any) -> None:
    """Raise `TypeError` where a function cannot be called like that."""
    signature = inspect.signature(function)
    args = [one for one in call.args if not isinstance(one, ast.Starred)]
    named = {one.arg: one.value for one in call.keywords if one.arg is not None}
    is_whole = len(args) == len(call.args) and len(named) == len(call.keywords)
    (signature.bind if is_whole else signature.bind_partial)(*args, **named)


def shape(function: Any) -> list[str]:
    return list(inspect.signature(function).parameters)


@pytest.mark.parametrize("control", sorted(CONTROLS))
def test_what_a_control_replaces_is_what_the_product_runs(control: str) -> None:
    with applied(control) as changes:
        assert changes
        for change in changes:
            found = list(uses(change))
            assert found, f"nobody uses {change.module.__name__}.{change.name}"
            if not callable(change.old):
                continue
            for _, call in found:
                if call is not None:
                    check_it_fits(call, change.new)
            if change.old.__module__ == change.module.__name__:
                holders = [one for one in product() if vars(one).get(change.name) is change.old]
                assert holders == [], "somebody else goes on with the sound one"


def test_a_replacement_that_no_longer_fits_is_noticed() -> None:
    (call,) = (one for one in ast.walk(ast.parse("f(a, b, c=1)")) if isinstance(one, ast.Call))
    check_it_fits(call, lambda a, b, c: None)
    for narrow in (lambda a, b: None, lambda a, b, c, d: None, lambda a, *, c: None):
        with pytest.raises(TypeError):
            check_it_fits(call, narrow)


def test_what_controls_take_by_its_place_or_name_is_there() -> None:
    assert shape(pull._page)[-1] == "found"
    assert shape(push._at_once)[0] == "database"
    assert shape(pull.read_pages)[:2] == ["database", "tenant_id"]
    told = {one.value for one in ast.walk(tree(pull)) if isinstance(one, ast.Constant)}
    assert {"is_unstamped", "digest"} <= told


def test_the_lock_that_is_left_out_is_asked_for_where_rows_are_numbered() -> None:
    stamp = ast.parse(inspect.getsource(sequencer.stamp))
    locking = [
        one
        for one in ast.walk(stamp)
        if isinstance(one, ast.Call)
        and ast.unparse(one.func) == "run"
        and "select head from sync_head" in ast.unparse(one)
        and " for update" in ast.unparse(one)
    ]
    assert locking


def test_an_intent_known_by_its_number_has_another_id_than_its_own() -> None:
    device, own = "01890000-0000-7000-8000-000000000001", "01890000-0000-7000-8000-000000000002"
    sent = f'{{"device_id":"{device}","intents":[{{"id":"{own}","seq":3,"type":"x","data":{{}}}}]}}'
    (sound,) = intents.read_batch(sent.encode(), 5).intents
    with applied("client_counter_ids"):
        (broken,) = intents.read_batch(sent.encode(), 5).intents
    assert (str(sound.id), broken.seq) == (own, sound.seq)
    assert broken.id != sound.id


def test_the_product_is_whole_again_afterwards() -> None:
    sound = fsm.app.create_app, Session.commit, pull._page, sequencer.stamp
    for control in CONTROLS:
        with applied(control):
            pass
    assert (fsm.app.create_app, Session.commit, pull._page, sequencer.stamp) == sound
