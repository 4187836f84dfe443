"""Debian's Chromium for the tests of the pages: installed where that is possible, never asked for.

Only root can install it, and only where apt knows it; elsewhere the tests that need it skip and say so.
Standard library only.
"""

import os
import shutil
import subprocess

import environment

_MINUTES = 5


def install() -> None:
    """Install Chromium when there is none and this is root on Debian or its kin; say what came of it."""
    if shutil.which("chromium") or os.geteuid() != 0 or not shutil.which("apt-get"):
        return
    environment.say("Installing Chromium for the tests of the pages …")
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for words in (
        ["update", "-qq"],
        ["install", "-y", "-qq", "--no-install-recommends", "chromium"],
    ):
        try:
            done = subprocess.run(
                ["apt-get", *words],
                env=quiet,
                capture_output=True,
                text=True,
                timeout=_MINUTES * 60,
            )
        except subprocess.TimeoutExpired:
            environment.say("  apt-get takes too long; the tests of the pages will skip.")
            return
        if done.returncode != 0:
            environment.say(f"  {done.stderr.strip()[-500:]}")
            environment.say("  Chromium cannot be installed; the tests of the pages will skip.")
            return
