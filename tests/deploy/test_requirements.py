"""What is installed is pinned, hashed, and tied to no machine."""

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

CHECKOUT = Path(__file__).parents[2]
REQUIREMENTS = CHECKOUT / "deploy" / "requirements"
FILES = sorted(REQUIREMENTS.glob("*.txt"))


def pins(file: Path) -> list[Requirement]:
    """Return the requirements of an exported file, each with its marker."""
    text = file.read_text().replace("\\\n", " ")
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return [Requirement(line.partition(" --hash")[0].strip()) for line in lines]


def versions(file: Path) -> set[tuple[str, str, str]]:
    return {(pin.name, str(pin.specifier), str(pin.marker)) for pin in pins(file)}


def project() -> dict[str, list[Requirement]]:
    text = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())
    return {
        "runtime.txt": [Requirement(line) for line in text["project"]["dependencies"]],
        "dev.txt": [Requirement(line) for line in text["dependency-groups"]["dev"]],
        "bench.txt": [Requirement(line) for line in text["dependency-groups"]["bench"]],
    }


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_no_address_of_a_machine_or_an_index_is_written_down(file: Path) -> None:
    text = file.read_text()
    assert not re.search(r"://|file:|index-url|find-links|^/| @ ", text, re.MULTILINE)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_every_package_has_one_version_and_the_hashes_of_its_files(file: Path) -> None:
    entries = re.split(r"^(?=[a-z0-9])", file.read_text(), flags=re.MULTILINE)[1:]
    assert len(entries) == len(pins(file)) > 0
    for entry in entries:
        assert re.match(r"[a-z0-9.-]+==[^ ]+ ", entry), entry
        assert "--hash=sha256:" in entry, entry


def test_what_the_product_needs_has_the_same_version_under_test() -> None:
    assert versions(REQUIREMENTS / "runtime.txt") <= versions(REQUIREMENTS / "dev.txt")


def test_what_is_measured_against_others_has_the_versions_that_are_tested() -> None:
    assert versions(REQUIREMENTS / "dev.txt") <= versions(REQUIREMENTS / "bench.txt")


@pytest.mark.parametrize("name", ["runtime.txt", "dev.txt", "bench.txt"])
def test_the_pins_satisfy_what_the_project_asks_for(name: str) -> None:
    pinned = {pin.name: pin for pin in pins(REQUIREMENTS / name)}
    for wanted in project()[name]:
        assert wanted.name in pinned, f"{wanted} is not pinned: run deploy/requirements/export"
        (version,) = pinned[wanted.name].specifier
        assert wanted.specifier.contains(version.version), f"{wanted} against {version}"
