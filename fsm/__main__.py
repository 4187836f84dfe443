"""`fsm`: one program, many commands. `fsm --help` names them, `fsm COMMAND --help` explains one."""

import argparse
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Final, NoReturn

_DESCRIPTION = (
    "Field service management: assets, contracts, work orders, planning, phones, figures."
)

_EPILOG = """where to begin:
  fsm demo                         everything at once, with its own database
  fsm migrate; fsm serve           over your own: set FSM_DATABASE_URL and FSM_SECRET
  fsm tenant add acme --name 'Acme Lifts' --administrator anna@example.com
  fsm import customers customers.csv --dry-run

All settings are environment variables; deploy/README.md lists them."""

#: group → command → (module of `fsm.commands`, help)
_GROUPS: Final = {
    "run": {
        "demo": ("serving", "show the product, with its own database and a company in it"),
        "serve": ("serving", "answer HTTP"),
        "worker": ("serving", "do background jobs: plans, thumbnails, sealing of history"),
        "migrate": ("serving", "bring the database to this program's schema"),
    },
    "companies and people": {
        "tenant": ("people", "add service companies"),
        "user": ("people", "add people who sign in, give passwords"),
    },
    "files": {
        "import": ("files", "take in customers, equipment, people, parts, past work from CSV"),
        "export": ("files", "write a table as a CSV file"),
        "label": ("upkeep", "draw labels of machines' passports"),
        "openapi": ("serving", "write the OpenAPI document"),
    },
    "upkeep": {
        "evidence": ("evidence", "prove how a job was done, and that history is whole"),
        "backup": ("backup", "copy everything, and try the copy"),
        "restore": ("backup", "go back to a backup, or to a moment after it"),
        "sync": ("upkeep", "bring what phones read up to date"),
        "plan": ("planning", "make a stored plan again, to show what it came of"),
        "conform": ("conform", "hold a server or an app against the rules of sync and closing"),
    },
}


class _Parser(argparse.ArgumentParser):
    """Says a mistake in one sentence, with the way to the help."""

    def error(self, message: str) -> NoReturn:
        self.exit(
            2, f"{self.prog}: {message[:1].upper()}{message[1:]}. See '{self.prog} --help'.\n"
        )


def build_parser(command: str | None = None) -> argparse.ArgumentParser:
    """Return the parser. Only `command` is known in full: the others' modules take seconds to load."""
    described = "\n".join(
        [
            _DESCRIPTION,
            *(
                line
                for title, commands in _GROUPS.items()
                for line in (
                    f"\n{title}:",
                    *(f"  {name:<10}{about}" for name, (_, about) in commands.items()),
                )
            ),
        ]
    )
    parser = _Parser(
        prog="fsm",
        description=described,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        usage="fsm COMMAND …",
    )
    subparsers = parser.add_subparsers(
        dest="command", metavar="COMMAND", help=argparse.SUPPRESS, required=True, prog="fsm",
        parser_class=_Parser,
    )  # fmt: skip
    modules = {name: module for group in _GROUPS.values() for name, (module, _) in group.items()}
    wanted = modules.get(command or "")
    for name, module in modules.items():
        if module != wanted:
            subparsers.add_parser(name)
    if wanted is not None:
        import_module(f"fsm.commands.{wanted}").add_commands(subparsers)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; return 0, 1 where it could not do its work, 2 where it was not understood."""
    words = list(sys.argv[1:] if argv is None else argv)
    parser = build_parser(words[0] if words else None)
    arguments, rest = parser.parse_known_args(words)
    if rest and arguments.command != "demo":  # which reads its own
        parser.error(f"unrecognised: {' '.join(rest)}")
    arguments.rest = rest
    try:
        return int(arguments.run(arguments))
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        sys.stderr.close()  # whoever read our output has gone; nothing is left to say
        return 1
    except Exception as error:
        from fsm.commands.failing import sentence_for

        sentence = sentence_for(error)
        if sentence is None:
            raise
        print(f"fsm: {sentence}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
