"""What deploy/README.md tells an operator to do, done."""

import asyncio
import os
import re
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from fsm.embedded import EmbeddedPostgres, available_binaries

CHECKOUT = Path(__file__).parents[2]
DEPLOY = CHECKOUT / "deploy"


def test_every_variable_of_the_settings_is_documented() -> None:
    used = set(re.findall(r'"(FSM_[A-Z0-9_]+)"', (CHECKOUT / "fsm" / "settings.py").read_text()))
    documented = set(re.findall(r"`(FSM_[A-Z0-9_]+)`", (DEPLOY / "README.md").read_text()))
    assert used == documented


def test_every_variable_of_the_compose_file_is_one_of_the_product() -> None:
    text = (DEPLOY / "compose.yaml").read_text()
    documented = set(re.findall(r"FSM_[A-Z0-9_]+", (DEPLOY / "README.md").read_text()))
    assert set(re.findall(r"FSM_[A-Z0-9_]+", text)) <= documented


def test_images_come_from_no_named_registry() -> None:
    text = (DEPLOY / "Dockerfile").read_text() + (DEPLOY / "compose.yaml").read_text()
    images = re.findall(r"(?:^FROM |image: )(\S+)", text, re.MULTILINE)
    assert images
    assert not any("/" in image for image in images)


async def test_the_roles_of_roles_sql_are_the_two_logins_that_the_product_needs() -> None:
    binaries = next((found for found in available_binaries() if has_psql(found.directory)), None)
    if binaries is None:
        pytest.skip("there is no psql here")
    with (
        tempfile.TemporaryDirectory(prefix="fsm-test-") as place,
        EmbeddedPostgres(Path(place) / "database", binaries=binaries) as server,
    ):
        program = [binaries.program("psql"), "-X", "-q", server.url("postgres", "postgres")]
        passwords = {"FSM_OWNER_PASSWORD": "it's the owner's", "FSM_APP_PASSWORD": "app"}
        for _ in range(2):  # a second run is harmless
            await asyncio.to_thread(
                subprocess.run,
                [*program, "-f", DEPLOY / "roles.sql"],
                env=os.environ | passwords,
                check=True,
            )
        where: dict[str, Any] = {
            "host": str(server.directory.socket_dir),
            "port": server.port,
            "database": "fsm",
        }
        owner = await asyncpg.connect(user="fsm_owner", password="it's the owner's", **where)
        await owner.execute("create extension btree_gist")
        await owner.execute("create table kept (n int)")
        await owner.close()
        app = await asyncpg.connect(user="fsm_app", password="app", **where)
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await app.execute("select * from kept")
        assert not await app.fetchval(
            "select rolsuper or rolbypassrls from pg_roles where rolname = current_user"
        )
        await app.close()


def has_psql(directory: Path) -> bool:
    return (directory / "psql").is_file()
