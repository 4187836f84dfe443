"""`fsm`: one program, many commands. `fsm --help` names them, `fsm COMMAND --help` explains one."""

import argparse
import sys
from collections.abc import Sequence
from typing import NoReturn

_DESCRIPTION = (
    "Field service management: assets, contracts, work orders, planning, phones, figures."
)

_EPILOG = """where to begin:
  fsm demo                         everything at once, with its own database
  fsm migrate; fsm serve           over your own: set FSM_DATABASE_URL and FSM_SECRET
  fsm tenant add acme --name 'Acme Lifts' --administrator anna@example.com
  fsm import customers customers.csv --dry-run

All settings are environment variables; deploy/README.md lists them."""

_GROUPS = (
    ("run", ("demo", "serve", "worker", "migrate")),
    ("companies and people", ("tenant", "user")),
    ("files", ("import", "export", "label", "openapi")),
    ("upkeep", ("evidence", "sync")),
)


class _Parser(argparse.ArgumentParser):
    """Says a mistake in one sentence, with the way to the help."""

    def error(self, message: str) -> NoReturn:
        self.exit(
            2, f"{self.prog}: {message[:1].upper()}{message[1:]}. See '{self.prog} --help'.\n"
        )


def build_parser() -> argparse.ArgumentParser:
    # Imported here, so that a broken installation is still told of in a sentence.
    from fsm.commands import files, people, serving, upkeep

    parser = _Parser(
        prog="fsm",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        usage="fsm COMMAND …",
    )
    commands = parser.add_subparsers(
        dest="command",
        metavar="COMMAND",
        help=argparse.SUPPRESS,
        required=True,
        prog="fsm",
        parser_class=_Parser,
    )
    for module in (serving, people, files, upkeep):
        module.add_commands(commands)
    helps = {choice.dest: choice.help or "" for choice in commands._choices_actions}
    commands._choices_actions.clear()
    parser.description = "\n".join(
        [
            _DESCRIPTION,
            *(
                line
                for title, names in _GROUPS
                for line in ("", f"{title}:", *(f"  {name:<10}{helps[name]}" for name in names))
            ),
        ]
    )
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; return 0, 1 where it could not do its work, 2 where it was not understood."""
    parser = build_parser()
    arguments, rest = parser.parse_known_args(argv)
    if rest and arguments.command != "demo":  # which reads its own
        parser.error(f"unrecognized arguments: {' '.join(rest)}")
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
