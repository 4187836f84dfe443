"""`fsm evidence`: packs that prove how a job was done, and proof that history is whole.

Checking a file loads little: neither the server nor the database, which its reader need not have.
"""

import argparse
from pathlib import Path
from typing import Any

from fsm.commands.asking import CannotRun, add_company
from fsm.evidence.receipts import BadReceipt
from reports.documents import statement
from reports.packs.container import PackRefused
from reports.packs.verifying import Report, verify_pack

_EXAMPLES = """examples:
  fsm evidence pack W-2026-0042 pack.zip
  fsm evidence verify pack.zip --key ed25519:rOwO…
  fsm evidence verify ACT-17.pdf --statement ACT-17.json --key ed25519:rOwO…
  fsm evidence verify-chain --root kept/2026-03-23.json"""


def add_commands(commands: Any) -> None:
    evidence = commands.add_parser(
        "evidence",
        description="Prove how a job was done, and that history is whole.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    actions = evidence.add_subparsers(required=True, metavar="ACTION")

    pack = actions.add_parser(
        "pack",
        help="put everything that proves one job into a file",
        description="Write a ZIP archive with the checklist, facts, verdict, photos, receipts and events of "
        "a job, and what proves them.",
    )
    pack.add_argument("job", metavar="JOB", help="the work order's number or id")
    pack.add_argument(
        "file", nargs="?", type=Path, metavar="FILE", help="evidence-JOB.zip, unless said"
    )
    add_company(pack, acts=True)
    pack.set_defaults(run=_pack)

    verify = actions.add_parser(
        "verify",
        help="check such a file, or an issued document, offline",
        description="Check an evidence pack; with --statement, a document that was issued. Needs the files "
        "and the server's public keys only: no database, no settings, no network. Exit 1 when it is not as "
        "it was made.",
    )
    verify.add_argument("file", type=Path, metavar="FILE")
    verify.add_argument(
        "--statement",
        type=Path,
        metavar="FILE",
        help="the signed statement about a document, from its /api/documents/ID/statement",
    )
    verify.add_argument(
        "--snapshot", type=Path, metavar="FILE", help="what the document was made of, if kept"
    )
    verify.add_argument(
        "--key",
        action="append",
        default=[],
        metavar="ed25519:…",
        help="a public key of the server, from its /evidence/keys; may be given for each",
    )
    verify.set_defaults(run=_verify)

    auditing = actions.add_parser(
        "audit",
        help="judge closed jobs again and name forged closures",
        description="Judge the closures of completed and closed jobs again, those not judged again before. "
        "Exit 1 when one does not stand.",
    )
    add_company(auditing)
    auditing.add_argument(
        "--full", action="store_true", help="all of them, however often it was done"
    )
    auditing.set_defaults(run=_audit)

    chain = actions.add_parser(
        "verify-chain",
        help="recompute the hash chain of history and its daily roots",
        description="Recompute the hash chain of every company's history, or of one, and its daily roots. "
        "Exit 1 if it is broken.",
    )
    add_company(chain)
    chain.add_argument(
        "--root",
        action="append",
        default=[],
        type=Path,
        metavar="FILE",
        help="a daily root that was kept elsewhere: the chain must still lead through it",
    )
    chain.set_defaults(run=_verify_chain)


# --- over a company's data ----------------------------------------------------------------------------------


def _pack(arguments: argparse.Namespace) -> int:
    from fsm.commands import proving

    return proving.pack(arguments)


def _audit(arguments: argparse.Namespace) -> int:
    from fsm.commands import proving

    return proving.audit(arguments)


def _verify_chain(arguments: argparse.Namespace) -> int:
    from fsm.commands import proving

    return proving.verify_chain(arguments)


# --- checking a file ----------------------------------------------------------------------------------------


def _verify(arguments: argparse.Namespace) -> int:
    if arguments.statement is not None:
        return _verify_document(arguments)
    with arguments.file.open("rb") as file:
        try:
            report = verify_pack(file, arguments.key)
        except PackRefused as refused:
            raise CannotRun(f"{arguments.file} cannot be checked: {refused}") from None
        except BadReceipt as error:
            raise CannotRun(f"--key: {error}") from None
    _say(report)
    return 0 if report.is_genuine else 1


def _say(report: Report) -> None:
    for finding in report.findings:
        print(f"NOT GENUINE  {finding}")
    for flag in report.flags:
        print(f"look at      {flag}")
    if not report.is_genuine:
        return
    print(
        f"Genuine: {report.job} of {report.tenant}, {report.events} events, {report.photos} photos, "
        f"signed by key {report.kid}."
    )
    if not report.is_key_given:
        print(
            "The key was taken from the pack itself. Compare it with the one that the server publishes at "
            "/evidence/keys, and give it with --key."
        )


def _verify_document(arguments: argparse.Namespace) -> int:
    snapshot: Path | None = arguments.snapshot
    try:
        checked = statement.check(
            arguments.file.read_bytes(),
            arguments.statement.read_bytes(),
            arguments.key,
            None if snapshot is None else snapshot.read_bytes(),
        )
    except statement.StatementRefused as refused:
        raise CannotRun(f"{arguments.statement}: {refused}") from None
    except BadReceipt as error:
        raise CannotRun(f"--key: {error}") from None
    for finding in checked.findings:
        print(f"NOT GENUINE  {finding}")
    if not checked.is_genuine:
        return 1
    print(
        f"Genuine: {checked.kind} {checked.number} of {checked.company}, issued {checked.issued_at}, "
        f"signed by key {checked.kid}. Whether it still counts is on the page that its code leads to."
    )
    if not checked.is_key_given:
        print(
            "The key was taken from the statement itself. Compare it with the one that the server publishes "
            "at /evidence/keys, and give it with --key."
        )
    return 0
