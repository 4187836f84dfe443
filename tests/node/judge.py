"""The closing rules as the phone runs them: one Node process that answers questions in lines of JSON."""

import json
import subprocess
from typing import Any

from tests.node import runtime

PWA = runtime.HERE.parents[1] / "mobile_api" / "pwa"


class PhoneJudge:
    """`ask("verdict", template=…, facts=…)` and the like; see closing.mjs for the questions."""

    def __init__(self) -> None:
        node = runtime.install(PWA)
        self._process = subprocess.Popen(
            [node.program, str(runtime.HERE / "closing.mjs")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def ask(self, question: str, **about: Any) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"ask": question, **about}) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())

    def close(self) -> None:
        with self._process:
            assert self._process.stdin is not None
            self._process.stdin.close()
