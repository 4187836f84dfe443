"""`fsm demo --fresh` forgets its own data and nothing beside it."""

from pathlib import Path

import pytest

from fsm.demo.people import people_of
from fsm.demo.program import CannotShow, _forget


def test_what_lies_beside_the_demonstrations_data_stays(tmp_path: Path) -> None:
    people_of(tmp_path)
    (tmp_path / "blobs" / "aa").mkdir(parents=True)
    (tmp_path / "demo.log").touch()
    (tmp_path / "thesis.odt").write_text("years of work")
    _forget(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.odt"]


def test_a_folder_that_is_not_the_demonstrations_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "blobs").mkdir()
    with pytest.raises(CannotShow):
        _forget(tmp_path)
    assert (tmp_path / "blobs").is_dir()
