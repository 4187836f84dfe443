"""`fsm tenant`, `fsm user`: companies and the people who sign in."""

import argparse
import getpass
import re
import sys
from datetime import UTC, datetime
from typing import Any

from fsm.actors import system_actor
from fsm.commands.asking import CannotRun, add_company
from fsm.commands.company import find_company, with_database
from fsm.database import Database
from fsm.geography import check_zone
from fsm.settings import Settings
from fsm.tenants import passwords, queries

_PASSWORD_HELP = "read the password from standard input instead of asking for it twice"  # noqa: S105


def add_commands(commands: Any) -> None:
    tenants = commands.add_parser(
        "tenant",
    )
    actions = tenants.add_subparsers(required=True, metavar="ACTION")
    add = actions.add_parser(
        "add",
        help="add a company, perhaps with its first administrator",
        epilog="example: fsm tenant add acme --name 'Acme Lifts' --zone Europe/Paris "
        "--administrator anna@example.com",
    )
    add.add_argument("slug", help="short name: small letters, digits and hyphens")
    add.add_argument("--name", help="as it stands on papers; the short name unless said")
    add.add_argument("--zone", default="UTC", help="IANA zone, such as Europe/Paris (UTC)")
    add.add_argument("--language", default="en", help="two letters, such as ru (en)")
    add.add_argument("--currency", default="EUR", help="three capital letters (EUR)")
    add.add_argument(
        "--passport-host", help="host of the addresses on labels, such as q.example.com"
    )
    add.add_argument("--administrator", metavar="LOGIN", help="also add this user")
    add.add_argument("--password-stdin", action="store_true", help=_PASSWORD_HELP)
    add.set_defaults(run=_add_tenant)

    users = commands.add_parser(
        "user",
    )
    actions = users.add_subparsers(required=True, metavar="ACTION")
    add = actions.add_parser(
        "add",
        help="add a user",
        epilog="example: fsm user add boris@example.com --name Boris --role technician",
    )
    add.add_argument("login")
    add.add_argument("--name", help="the login unless said")
    add.add_argument("--role", required=True, help="code of a role, such as dispatcher")
    add.add_argument("--email")
    add.add_argument("--language", default="en")
    add.add_argument("--password-stdin", action="store_true", help=_PASSWORD_HELP)
    add_company(add)
    add.set_defaults(run=_add_user)
    password = actions.add_parser("password", help="give a user a new password")
    password.add_argument("login")
    password.add_argument("--password-stdin", action="store_true", help=_PASSWORD_HELP)
    add_company(password)
    password.set_defaults(run=_set_password)


def _read_password(arguments: argparse.Namespace) -> str:
    if arguments.password_stdin:
        password = sys.stdin.readline().rstrip("\r\n")
    elif not sys.stdin.isatty():
        raise CannotRun(
            "There is no terminal to ask for a password; give it with --password-stdin."
        )
    else:
        password = getpass.getpass("Password: ")
        if getpass.getpass("Once more: ") != password:
            raise CannotRun("The two passwords are not the same.")
    passwords.check_strength(password)
    return password


def _add_tenant(arguments: argparse.Namespace) -> int:
    if not re.fullmatch(r"[a-z0-9](?:[a-z0-9-]{0,38}[a-z0-9])?", arguments.slug):
        raise CannotRun("A company's short name has small letters, digits and hyphens, at most 40.")
    if not re.fullmatch(r"[A-Z]{3}", arguments.currency):
        raise CannotRun("A currency is three capital letters, such as EUR.")
    if not re.fullmatch(r"[a-z]{2}", arguments.language):
        raise CannotRun("A language is two small letters, such as en.")
    try:
        check_zone(arguments.zone)
    except ValueError as error:
        raise CannotRun(str(error)) from None
    password = _read_password(arguments) if arguments.administrator else None

    async def work(database: Database, settings: Settings) -> int:
        now = datetime.now(UTC)
        async with database.transaction() as session:
            tenant = await queries.create_tenant(
                session,
                slug=arguments.slug,
                name=arguments.name or arguments.slug,
                now=now,
                zone=arguments.zone,
                language=arguments.language,
                currency=arguments.currency,
                passport_host=arguments.passport_host,
            )
            if password is not None:
                actor = system_actor(tenant.id, "command line")
                await queries.add_user(
                    session,
                    actor,
                    now,
                    login=arguments.administrator,
                    name=arguments.administrator,
                    role=await queries.find_role_by_code(session, actor, "administrator"),
                    password_hash=passwords.hash_now(password),
                    language=arguments.language,
                )
        print(f"Added the company '{arguments.slug}' ({tenant.id}).")
        return 0

    return with_database(work)


def _add_user(arguments: argparse.Namespace) -> int:
    password = _read_password(arguments)

    async def work(database: Database, settings: Settings) -> int:
        async with database.transaction() as session:
            tenant_id = await find_company(session, arguments.tenant)
        actor = system_actor(tenant_id, "command line")
        async with database.transaction(tenant_id) as session:
            await queries.add_user(
                session,
                actor,
                datetime.now(UTC),
                login=arguments.login,
                name=arguments.name or arguments.login,
                role=await queries.find_role_by_code(session, actor, arguments.role),
                password_hash=passwords.hash_now(password),
                email=arguments.email,
                language=arguments.language,
            )
        print(f"Added '{arguments.login}' as {arguments.role}.")
        return 0

    return with_database(work)


def _set_password(arguments: argparse.Namespace) -> int:
    password = _read_password(arguments)

    async def work(database: Database, settings: Settings) -> int:
        async with database.transaction() as session:
            tenant_id = await find_company(session, arguments.tenant)
        async with database.transaction() as session:
            user = await queries.find_login(session, arguments.login)
            if user is None or user.tenant_id != tenant_id:
                raise CannotRun(f"This company has no user '{arguments.login}'.")
            await queries.set_password(
                session,
                system_actor(tenant_id, "command line"),
                datetime.now(UTC),
                user.id,
                passwords.hash_now(password),
            )
        print(f"'{arguments.login}' has a new password; open sessions have ended.")
        return 0

    return with_database(work)
