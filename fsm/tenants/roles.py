"""The roles that a new tenant starts with. They are data: an administrator changes them."""

from collections.abc import Mapping
from types import MappingProxyType

from fsm.actors import Permission

_READ = frozenset(
    {
        Permission.READ_CUSTOMERS,
        Permission.READ_ASSETS,
        Permission.READ_CONTRACTS,
        Permission.READ_TECHNICIANS,
        Permission.READ_PARTS,
        Permission.READ_REQUESTS,
        Permission.READ_WORK_ORDERS,
    }
)

FIRST_ROLES: Mapping[str, tuple[str, frozenset[Permission]]] = MappingProxyType(
    {
        "administrator": ("Administrator", frozenset(Permission) - {Permission.SYNC}),
        "dispatcher": (
            "Dispatcher",
            _READ
            | {
                Permission.EDIT_CUSTOMERS,
                Permission.EDIT_ASSETS,
                Permission.EDIT_TECHNICIANS,
                Permission.EDIT_PARTS,
                Permission.EDIT_REQUESTS,
                Permission.EDIT_WORK_ORDERS,
                Permission.CANCEL_WORK_ORDER,
                Permission.CLOSE_WORK_ORDER,
                Permission.REOPEN_WORK_ORDER,
                Permission.WAIVE_ITEM,
                Permission.PLAN,
                Permission.READ_KPIS,
                Permission.READ_HISTORY,
            },
        ),
        "technician": (
            "Technician",
            frozenset({Permission.SYNC, Permission.READ_ASSETS, Permission.READ_PARTS}),
        ),
        "manager": (
            "Manager",
            _READ
            | {
                Permission.READ_KPIS,
                Permission.READ_COSTS,
                Permission.READ_PERSON_KPIS,
                Permission.READ_HISTORY,
                Permission.EXPORT_DATA,
                Permission.EDIT_CONTRACTS,
                Permission.CLOSE_WORK_ORDER,
                Permission.REOPEN_WORK_ORDER,
            },
        ),
        "customer": (
            "Customer",
            frozenset(
                {
                    Permission.READ_ASSETS,
                    Permission.READ_REQUESTS,
                    Permission.READ_WORK_ORDERS,
                    Permission.EDIT_REQUESTS,
                }
            ),
        ),
    }
)
"""code → (name, permissions)"""
