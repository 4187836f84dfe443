"""The office's pages: `/office/board`, `/office/roster`, `/office/figures`, … They hold nobody's data."""

from importlib import resources

from fsm.web.built_pages import BuiltPages, built_routes

PAGES = BuiltPages("/office", resources.files("fsm.web") / "built")

ROUTES = built_routes(PAGES, "board", "The office")
