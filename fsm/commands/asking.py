"""What commands ask for and how they refuse, for modules that load nothing of the program's yet."""

import argparse


class CannotRun(Exception):
    """A command cannot go on; the message is the sentence for the person who started it."""


def add_company(parser: argparse.ArgumentParser, *, acts: bool = False) -> None:
    """Add the options that choose the company and, with `acts`, who is named for what is done."""
    parser.add_argument(
        "--tenant",
        metavar="SLUG",
        help="the company, by the short name it was added under; not needed while there is only one",
    )
    if acts:
        parser.add_argument(
            "--as",
            dest="login",
            metavar="LOGIN",
            help="the user in whose name it is done, with that user's permissions; else the system's",
        )
