"""`fsm plan`: a stored plan made again from its stored inputs, to show what it came of."""

import argparse
from hashlib import sha256
from typing import Any, Final
from uuid import UUID

from fsm.commands.asking import CannotRun, add_company
from fsm.commands.company import who_acts, with_database
from fsm.database import Database
from fsm.settings import Settings
from scheduler import child
from scheduler.outcome import compared
from scheduler.problem import ProblemInvalid
from scheduler.queries import find_run
from scheduler.replaying import Again, check_is_clockless, check_is_there, made_again
from scheduler.tables import PlanRun
from scheduler.versions import versions

_MOST_LINES: Final = 40
"""Differences that are told one by one."""


def add_commands(commands: Any) -> None:
    plan = commands.add_parser(
        "plan",
        description="Show what a plan came of.",
        epilog="example:\n  fsm plan replay 0199b2c4-5a1e-7c3d-9f00-3d2c1b0a9f8e",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    actions = plan.add_subparsers(required=True, metavar="ACTION")
    replay = actions.add_parser(
        "replay",
        help="make a stored plan again, and say whether it is the same",
        description="Make a plan again from the inputs and the steps that were stored with it, in a process "
        "of its own, and compare the two byte by byte. Nothing is written. Exit 1 where they differ, with "
        "what is otherwise, or where the inputs are not those that were stored.",
    )
    replay.add_argument(
        "plan", type=UUID, metavar="PLAN", help="the plan's id, as GET /api/plans lists it"
    )
    add_company(replay)
    replay.set_defaults(run=_replay)


def _replay(arguments: argparse.Namespace) -> int:
    async def work(database: Database, settings: Settings) -> int:
        actor = await who_acts(database, arguments)
        async with database.transaction(actor.tenant_id) as session:
            run = await find_run(session, actor, arguments.plan)
        check_is_there(run)
        check_is_clockless(run)
        try:
            made = await made_again(run)
        except (ProblemInvalid, child.SolverFailed) as error:
            raise CannotRun(f"Plan {run.id} cannot be made again: {error.sentence}") from None
        _say(run, made)
        return 0 if made.is_same and made.inputs_are_whole else 1

    return with_database(work)


def _say(run: PlanRun, made: Again) -> None:
    days = f"{run.starts_on}" + ("" if run.ends_on == run.starts_on else f" to {run.ends_on}")
    print(
        f"Plan {run.id} of {days}, asked for by {run.requested_by} at {run.requested_at:%Y-%m-%d %H:%M} UTC, "
        f"made by {made.plan.engine}."
    )
    if not made.inputs_are_whole:
        print("NOT WHOLE  The stored inputs no longer have the digest that they were stored with.")
    if made.is_same:
        print(
            f"Identical: made again it is the same {len(made.first):,} bytes, "
            f"SHA-256 {sha256(made.first).hexdigest()}."
        )
    else:
        print(f"DIFFERS    {', '.join(made.differs) or 'the bytes alone'}")
        _say_lines(made)
    _say_versions(run, is_same=made.is_same)


def _say_lines(made: Again) -> None:
    """Say where work is otherwise, in the words of plans: from the stored one to the one made now."""
    lines = compared(made.problem, made.again, made.problem, made.plan)
    for line in lines[:_MOST_LINES]:
        what = line["said"]["en"].split("; ", 1)[0]
        print(f"           {what}")
    if len(lines) > _MOST_LINES:
        print(f"           and {len(lines) - _MOST_LINES} more")
    for name, stored, now in _sums(made):
        if stored != now:
            print(f"           {name}: {stored:,} stored, {now:,} now")


def _sums(made: Again) -> list[tuple[str, int, int]]:
    return [
        ("cost", made.plan.costs.total, made.again.costs.total),
        ("work left out", len(made.plan.unplanned), len(made.again.unplanned)),
    ]


def _say_versions(run: PlanRun, *, is_same: bool) -> None:
    now = versions()
    for name in sorted(run.versions.keys() | now.keys()):
        then, today = run.versions.get(name, "none"), now.get(name, "none")
        if then != today:
            print(f"version    {name}: {then} then, {today} now")
    if run.versions == now and not is_same:
        print("version    The planner and its solvers are those that made it.")
