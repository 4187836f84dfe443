"""The second lock on the door: row-level security and what the application's role may do.

Called from migrations with explicit lists, so that a migration means the same for ever.
"""

from collections.abc import Iterable

ROLE = "fsm_app"
OWN = "nullif(current_setting('app.tenant', true), '')::uuid"
"""The tenant of the transaction; null, and so nothing, when it was not set."""


def isolate(table: str, column: str = "tenant_id") -> list[str]:
    """Return the statements that show only the transaction's tenant in `table`, and take only its rows."""
    return [
        f'alter table "{table}" enable row level security',
        f'create policy tenant on "{table}" using ({column} = {OWN}) with check ({column} = {OWN})',
    ]


def open_directory() -> list[str]:
    """Return the statements for `directory`: readable before the tenant is known, written only by its own."""
    return [
        "alter table directory enable row level security",
        "create policy look_up on directory for select using (true)",
        f"create policy enlist on directory for insert with check (tenant_id = {OWN})",
        f"create policy delist on directory for delete using (tenant_id = {OWN})",
    ]


def grant(tables: Iterable[str], rights: str) -> list[str]:
    return [f'grant {rights} on "{table}" to {ROLE}' for table in tables]


def application_role() -> list[str]:
    """Return the statement that makes the application's role, once per cluster: no login, no privilege.

    Logins of the application are made members of it: `grant fsm_app to <login>`.
    """
    return [
        f"""do $$ begin
          if not exists (select from pg_roles where rolname = '{ROLE}') then
            create role {ROLE} nologin nosuperuser nobypassrls nocreatedb nocreaterole;
          end if;
        exception when duplicate_object or unique_violation then null;
        end $$"""
    ]
