"""Years of work come in through the command line without the memory growing with them."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from fsm.settings import Settings
from tests.company import Company

# The peak is the process's own since its start: `ru_maxrss` would carry over that of pytest,
# which forked it.
PROGRAM = """
import sys
from pathlib import Path
from fsm.__main__ import main
code = main(sys.argv[1:])
status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
print("kB", status["VmHWM"].split()[0])
sys.exit(code)
"""


def write_history(path: Path, rows: int) -> None:
    with path.open("w", encoding="utf-8") as file:
        file.write(
            "source_id,asset,work_type,reported_at,started_at,finished_at,technician,restored_at,"
            "failure_mode,cost_labour,cost_parts,contract,description\n"
        )
        for row in range(rows):
            day = f"{2000 + row % 25}-{row // 25 % 12 + 1:02}-{row // 300 % 28 + 1:02}"
            failed = f"{day}T12:30:00Z,door" if row % 4 == 0 else ","
            file.write(
                f"{row},A-1,repair,{day}T08:{row % 60:02}:00Z,{day}T09:00:00Z,{day}T12:00:00Z,T-1,"
                f'{failed},{row % 500}.50,12.00,K-1,"{"long story " * 20}"\n'
            )


@pytest.mark.parametrize(
    "rows", [3_000, pytest.param(100_000, marks=pytest.mark.long)], ids=["short", "long"]
)
def test_memory_stays_below_a_gigabyte(
    settings: Settings, company: Company, tmp_path: Path, rows: int
) -> None:
    path = tmp_path / "history.csv"
    write_history(path, rows)
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, "import", "work_orders", str(path),
         "--as", company.users["administrator"].login, "--tenant", "acme"],
        env={
            **os.environ,
            "FSM_DATABASE_URL": settings.database_url,
            "FSM_SECRET": settings.secret.decode(),
        },
        capture_output=True,
        text=True,
        timeout=900,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert f"{rows} created" in done.stdout
    assert f"{rows} closed" in done.stdout
    assert int(done.stdout.split()[-1]) < 1_000_000
