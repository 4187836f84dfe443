"""Who is asking. Every query is given an `Actor`, so that no tenant can be forgotten."""

from dataclasses import dataclass, field
from enum import StrEnum
from uuid import UUID

from fsm.problems import Forbidden


class Permission(StrEnum):
    """What a role may allow. Roles are data; permissions are ours, each named by the routes it opens."""

    # administration
    MANAGE_USERS = "manage_users"
    MANAGE_CATALOGUE = "manage_catalogue"
    IMPORT_DATA = "import_data"
    EXPORT_DATA = "export_data"
    READ_HISTORY = "read_history"
    # customers and equipment
    READ_CUSTOMERS = "read_customers"
    EDIT_CUSTOMERS = "edit_customers"
    READ_ASSETS = "read_assets"
    EDIT_ASSETS = "edit_assets"
    READ_CONTRACTS = "read_contracts"
    EDIT_CONTRACTS = "edit_contracts"
    # people and parts
    READ_TECHNICIANS = "read_technicians"
    EDIT_TECHNICIANS = "edit_technicians"
    READ_PARTS = "read_parts"
    EDIT_PARTS = "edit_parts"
    # work
    READ_REQUESTS = "read_requests"
    EDIT_REQUESTS = "edit_requests"
    READ_WORK_ORDERS = "read_work_orders"
    EDIT_WORK_ORDERS = "edit_work_orders"
    CANCEL_WORK_ORDER = "cancel_work_order"
    CLOSE_WORK_ORDER = "close_work_order"
    REOPEN_WORK_ORDER = "reopen_work_order"
    WAIVE_ITEM = "waive_item"
    PLAN = "plan"
    # the technician's phone
    SYNC = "sync"
    # numbers
    READ_KPIS = "read_kpis"
    READ_COSTS = "read_costs"
    READ_PERSON_KPIS = "read_person_kpis"


class ActorKind(StrEnum):
    USER = "user"
    DEVICE = "device"
    SYSTEM = "system"
    PUBLIC = "public"


@dataclass(frozen=True, slots=True)
class Actor:
    """One tenant's user, device, background job or passer-by.

    `customer_id` narrows a customer's user to that customer's rows; None for the service company's people.
    """

    tenant_id: UUID
    kind: ActorKind
    user_id: UUID | None = None
    device_id: UUID | None = None
    customer_id: UUID | None = None
    name: str = ""
    permissions: frozenset[Permission] = field(default_factory=frozenset)

    def may(self, permission: Permission) -> bool:
        return permission in self.permissions

    def must(self, permission: Permission) -> None:
        """Refuse with `Forbidden` naming the permission."""
        if permission not in self.permissions:
            raise Forbidden(
                f"This needs the permission '{permission}', which your role does not have. "
                "Ask an administrator of your company.",
                needs=str(permission),
            )


def system_actor(tenant_id: UUID, name: str = "system") -> Actor:
    """Return the actor of background jobs and commands: everything permitted, inside one tenant."""
    return Actor(
        tenant_id=tenant_id,
        kind=ActorKind.SYSTEM,
        name=name,
        permissions=frozenset(Permission),
    )


def public_actor(tenant_id: UUID) -> Actor:
    """Return the actor of a stranger at a passport: permitted is what the public routes do themselves."""
    return Actor(tenant_id=tenant_id, kind=ActorKind.PUBLIC, name="passer-by")
