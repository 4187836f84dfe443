"""The technician's app: `/app/index` and what it loads. It holds nobody's data; that comes by `/sync/v1`."""

from importlib import resources

from fsm.web.built_pages import BuiltPages, built_routes

PAGES = BuiltPages("/app", resources.files("mobile_api") / "pwa" / "built", runs_wasm=True)

ROUTES = built_routes(PAGES, "index", "The technician's app")
