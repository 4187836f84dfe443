"""What axe finds wrong with a page, and pictures of it for people to look at."""

import os
from pathlib import Path
from typing import Any

from tests.patience import within

_AXE = Path(__file__).parents[2] / "fsm/web/node_modules/axe-core/axe.min.js"
_RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


async def assert_accessible(page: Any) -> None:
    """axe-core finds nothing on the page as it stands; the debugger brings it past the page's policy."""
    await _assert_nothing_found(page, _RULES)


async def assert_colours_tell(page: Any) -> None:
    """axe-core finds nothing in the page's colours: all that another theme changes."""
    await _assert_nothing_found(
        page, {"type": "rule", "values": ["color-contrast", "link-in-text-block"]}
    )


async def drawn(page: Any) -> None:
    """Wait until the page stands in its new colours: two frames, or a second where none is drawn."""
    drawing = page.evaluate(
        """new Promise(done => {
          requestAnimationFrame(() => requestAnimationFrame(done))
          setTimeout(done, 1000)
        })"""
    )
    await within(drawing, "the page is drawn")


async def _assert_nothing_found(page: Any, rules: Any) -> None:
    if not await page.evaluate("typeof axe === 'object'"):
        await page.evaluate(_AXE.read_text())
    looking = page.evaluate(
        "rules => axe.run(document, {runOnly: rules, resultTypes: ['violations']})", rules
    )
    found = await within(looking, "axe has looked")
    said = [
        f"{one['id']}: {node['html'][:200]} {node['failureSummary'][:300]}"
        for one in found["violations"]
        for node in one["nodes"]
    ]
    assert not said, "\n".join(said)


async def assert_readable_outdoors(page: Any) -> None:
    """Every text on the page as it stands has a contrast of 7:1 or more, large text 4.5:1 (WCAG 1.4.6)."""
    if not await page.evaluate("typeof axe === 'object'"):
        await page.evaluate(_AXE.read_text())
    looking = page.evaluate(
        "() => axe.run(document, {runOnly: {type: 'rule', values: ['color-contrast-enhanced']}})"
    )
    found = await within(looking, "axe has looked")
    said = [
        f"{node['html'][:200]} {node['failureSummary'][:300]}"
        for one in found["violations"]
        for node in one["nodes"]
    ]
    assert not said, "\n".join(said)
    assert found["passes"], "no text has been looked at"


async def spoken(page: Any, role: str) -> set[str]:
    """Return the names of what assistive technology finds of a role on the page as it stands."""
    debugger = await page.context.new_cdp_session(page)
    nodes = (await debugger.send("Accessibility.getFullAXTree"))["nodes"]
    await debugger.detach()
    return {
        node["name"]["value"]
        for node in nodes
        if not node["ignored"] and node["role"]["value"] == role
    }


async def take(page: Any, name: str) -> None:
    """Keep a picture of the page where FSM_SCREENSHOTS names a folder; else do nothing."""
    if folder := os.environ.get("FSM_SCREENSHOTS"):
        await page.screenshot(path=str(Path(folder) / f"{name}.png"))


async def small_targets(page: Any, within: str, least: int) -> list[str]:
    """Return what can be pressed in a part of the page and is lower than so many pixels, or narrower than 24.

    A box or a field inside a label is as large as that.
    """
    found: list[str] = await page.evaluate(
        """([within, least]) => [...document.querySelectorAll(within)]
            .flatMap(part => [...part.querySelectorAll(
                'a[href], button, input, select, summary, textarea, [tabindex="0"]')])
            .filter(one => one.checkVisibility())
            .map(one => [one, (one.closest('label') ?? one).getBoundingClientRect()])
            .filter(([, box]) => box.width && (box.height < least || box.width < 24))
            .map(([one, box]) =>
                `${Math.round(box.width)} x ${Math.round(box.height)}: ${one.outerHTML.slice(0, 100)}`)""",
        [within, least],
    )
    return found
