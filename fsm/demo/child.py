"""An `fsm` command as a child of the demonstration: `python -m fsm.demo.child PARENT COMMAND …`.

The kernel ends it when its parent ends, also by kill -9.
"""

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def main() -> int:
    parent, *command = sys.argv[1:]
    if sys.platform.startswith("linux"):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != int(parent):  # it went before the kernel was asked
            return 1
    from fsm.__main__ import main as fsm

    return int(fsm(command) or 0)


if __name__ == "__main__":
    sys.exit(main())
