"""The background worker: which event sets off what, and what happens on the clock. A composition root."""

from collections.abc import Awaitable, Callable, Mapping
from types import MappingProxyType

from fsm.database import Session
from fsm.jobs import Job

Reaction = Callable[[Session, Job], Awaitable[None]]

REACTIONS: Mapping[str, Reaction] = MappingProxyType({})
"""event or job name → what the worker does, in a transaction bound to the job's tenant"""
