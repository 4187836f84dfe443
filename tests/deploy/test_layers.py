"""Every module has its place in the import contract, so that none escapes it."""

import ast
import tomllib
from pathlib import Path
from typing import Any

CHECKOUT = Path(__file__).parents[2]


def contracts() -> dict[str, Any]:
    text = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())
    return {contract["id"]: contract for contract in text["tool"]["importlinter"]["contracts"]}


def modules(package: str) -> set[str]:
    """Return the names of a package's own modules and folders of modules."""
    found = set()
    for path in (CHECKOUT / package).iterdir():
        if path.suffix == ".py" or (path / "__init__.py").exists():
            found.add(f"{package}.{path.stem}")
    return found - {f"{package}.__init__"}


def test_every_module_of_fsm_has_its_layer() -> None:
    layers = contracts()["layers"]["layers"]
    placed = {name.strip(" ()") for layer in layers for name in layer.replace("|", ":").split(":")}
    assert modules("fsm") <= placed, "add it to the contract in pyproject.toml"


def test_packages_run_nothing_when_they_are_entered() -> None:
    """What an `__init__` imports comes with every rule beside it, and the linter does not see it."""
    entered = [
        *(CHECKOUT / package / "__init__.py" for package in ("scheduler", "mobile_api", "reports")),
        CHECKOUT / "fsm" / "__init__.py",
        *(CHECKOUT / "fsm").glob("*/__init__.py"),
    ]
    for path in entered:
        if path.parent.name != "embedded":  # it holds no rules, and is one thing in several files
            nodes = ast.walk(ast.parse(path.read_text()))
            assert not any(isinstance(node, ast.Import | ast.ImportFrom) for node in nodes), path
