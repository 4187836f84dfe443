"""The bench of planners: it runs, it goes on where it stopped, and it flatters nobody."""

import json
from pathlib import Path

import pytest

from tests.bench.scheduler import __main__ as bench
from tests.bench.scheduler import runs
from tests.bench.scheduler.runs import Book, Outcome, Run, make
from tests.bench.scheduler.sets import Instance
from tests.bench.scheduler.studies import Days, about_runs, dispatch_study, gap_study

# With OR-Tools, which needs no compiling: ruin and recreate has its own tests.
OURS = "ours or-tools"
TINY = Run("dispatch", "3x12-seed1", "3x12-seed1", OURS, 0.5)
COMMAND = ["--generated", "3x12", "--seconds", "0.5", "--solvers", OURS, "--parts", ""]


def test_a_tiny_day_is_planned_judged_and_reported(capsys: pytest.CaptureFixture[str]) -> None:
    bench.main(COMMAND)
    report = json.loads(capsys.readouterr().out)
    (run,) = report["runs"]
    assert (run["error"], run["broken"]) == (None, [])
    assert run["cost"] > 0
    assert 0 < run["weighted_served"] <= 1
    assert any(each["name"].startswith("G9 ") for each in report["figures"])


def test_a_run_that_does_not_end_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runs, "_GRACE_S", 0.0)
    monkeypatch.setattr(runs, "_PATIENCE", 0.001)
    assert make(TINY) == Outcome(error="killed after 0 s")


def test_outcomes_are_kept_for_the_next_sitting(tmp_path: Path) -> None:
    file = tmp_path / "deep" / "book.jsonl"
    outcome = Outcome(cost=7.0, served=0.5, broken=("late",), wall_s=1.0, notes=("2 territories",))
    Book(file).put(TINY, outcome)
    again = Book(file)
    assert again.get(TINY) == outcome
    assert again.get(Run("dispatch", "3x12-seed1", "3x12-seed1", OURS, 0.6)) is None


def test_what_is_known_is_not_run_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "book.jsonl"
    done = Outcome(cost=7.0, served=1.0, wall_s=0.5, cpu_s=0.5, first_s=0.1, peak_mb=9.0)
    Book(file).put(TINY, done)
    monkeypatch.setattr(bench, "make", lambda run: pytest.fail(f"{run.label} runs again"))
    bench.main([*COMMAND, "--results", str(file)])
    (run,) = json.loads(capsys.readouterr().out)["runs"]
    assert run["cost"] == 7.0


def test_a_goal_is_not_met_by_failing_on_the_hard_day() -> None:
    days = Days(None)
    days.known = {"set": {"easy": {"value": 100.0}, "hard": {"value": 100.0}}}
    chosen = [Instance("set", name, Path(name)) for name in ("easy", "hard")]
    study = gap_study("G0", days, chosen, 1, goal=5.0)
    easy, hard = study.runs
    outcomes = {
        easy: Outcome(cost=101.0),
        hard: Outcome(cost=50.0, broken=("Visit 3 is not done.",)),
    }
    gap, without = study.figures(outcomes.get)
    assert (gap["value"], gap["met"]) == (1.0, False)
    assert (without["value"], without["met"]) == (1, False)
    assert without["detail"] == {"hard": "Visit 3 is not done."}
    outcomes[hard] = Outcome(cost=103.0)
    (gap,) = study.figures(outcomes.get)
    assert (gap["value"], gap["met"]) == (2.0, True)


def test_a_ratio_is_of_days_that_both_planned() -> None:
    study = dispatch_study("3x12", 0.5, goal="G0", seeds=(1, 2), peers={"vroom": 0.9})
    costs = {("ours", 1): 80.0, ("vroom", 1): 100.0, ("ours", 2): 90.0}
    outcomes = {
        run: Outcome(cost=costs[run.solver, run.seed], served=0.9)
        for run in study.runs
        if (run.solver, run.seed) in costs
    }
    late = Run("dispatch", "3x12-seed2", "3x12-seed2", "vroom", 0.5, 2)
    outcomes[late] = Outcome(error="killed after 61 s")
    ratio, served = study.figures(outcomes.get)
    assert (ratio["value"], ratio["met"]) == (0.8, True)
    assert ratio["detail"]["without_the_peers_plan"] == {"3x12-seed2": "killed after 61 s"}
    assert served["detail"]["by_solver"] == {"ours": 90.0, "vroom": 90.0}


def test_where_ours_fails_the_ratio_is_no_success() -> None:
    study = dispatch_study("3x12", 0.5, goal="G0", seeds=(1, 2), peers={"vroom": 0.9})
    outcomes = {run: Outcome(cost=80.0 if run.solver == "ours" else 100.0) for run in study.runs}
    outcomes[study.runs[0]] = Outcome(error="MemoryError")
    ratio, failed = study.figures(outcomes.get)
    assert (ratio["value"], ratio["met"]) == (0.8, False)
    assert (failed["value"], failed["met"]) == (1, False)
    assert failed["detail"] == {"3x12-seed1": "MemoryError"}


def test_a_day_nobody_has_a_value_for_is_still_compared() -> None:
    chosen = [Instance("set", "new", Path("new"))]
    study = gap_study("any", Days(None), chosen, 1, goal=None, solvers=("ours", "pyvrp"))
    ours, pyvrp = study.runs
    (ratio,) = study.figures({ours: Outcome(cost=99.0), pyvrp: Outcome(cost=100.0)}.get)
    assert (ratio["name"], ratio["value"]) == ("any: objective / pyvrp", 0.99)


def test_one_late_run_misses_the_deadline_goal() -> None:
    fine, late = TINY, Run("dispatch", "3x12-seed2", "3x12-seed2", OURS, 0.5, 2)
    outcomes = {fine: Outcome(cost=1.0, wall_s=0.5, cpu_s=0.5)}
    assert next(about_runs([fine, late], outcomes.get))["met"] is True
    outcomes[late] = Outcome(cost=1.0, wall_s=0.9, cpu_s=0.5)
    assert next(about_runs([fine, late], outcomes.get))["met"] is False
    outcomes[late] = Outcome(error="killed after 61 s")
    assert next(about_runs([fine, late], outcomes.get))["met"] is False
