"""Built pages: what is kept for ever, what is asked for, and what a path may not reach."""

from pathlib import Path

import pytest

from fsm.problems import NotFound
from fsm.web.built_pages import BuiltPages


@pytest.fixture
def pages(tmp_path: Path) -> BuiltPages:
    (tmp_path / "built" / "assets").mkdir(parents=True)
    (tmp_path / "built" / "board.html").write_text("<!doctype html>" + "x" * 500)
    (tmp_path / "built" / "assets" / "board-1a2b.js").write_text("let x")
    (tmp_path / "secret.txt").write_text("no")
    return BuiltPages("/office", tmp_path / "built")


def test_an_asset_is_kept_for_ever_and_a_page_is_asked_for_each_time(pages: BuiltPages) -> None:
    asset = pages.answer("assets/board-1a2b.js", "", "")
    assert "immutable" in asset.headers["Cache-Control"]
    assert asset.media_type == "text/javascript; charset=utf-8"
    page = pages.answer("board", "", "")
    assert page.headers["Cache-Control"] == "no-cache"
    assert pages.answer("board", "", page.headers["ETag"]).status_code == 304


def test_a_page_runs_its_own_files_and_nothing_that_is_written_into_it(pages: BuiltPages) -> None:
    policy = pages.answer("board", "", "").headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "script-src 'self';" in policy
    assert "unsafe" not in policy
    assert "http" not in policy


def test_what_compresses_is_sent_compressed_to_whom_takes_it(pages: BuiltPages) -> None:
    answer = pages.answer("board", "gzip, br", "")
    assert answer.headers["Content-Encoding"] == "gzip"
    assert len(answer.content) < 200


@pytest.mark.parametrize(
    "path", ["../secret.txt", "assets/../../secret.txt", "nothing", "assets", "a//b.js", "x\x00.js"]
)
def test_a_path_reaches_only_built_files(pages: BuiltPages, path: str) -> None:
    with pytest.raises(NotFound):
        pages.answer(path, "", "")
