"""The cost ledger: what a job costs, who pays, what comes back. Lines are added, never changed.

A correction takes an old line back with its negative and posts another, so every sum over the lines is right
without asking which of them still stand. What is for several assets is posted as a line for each.
"""

from fsm.work_orders.ledger.correcting import (
    assign_payer,
    decide_again,
    list_job_assets,
    post_by_hand,
    set_job_assets,
    take_back,
    take_back_line,
)
from fsm.work_orders.ledger.part_returns import return_part
from fsm.work_orders.ledger.posting import post_part, post_time

__all__ = [
    "assign_payer",
    "decide_again",
    "list_job_assets",
    "post_by_hand",
    "post_part",
    "post_time",
    "return_part",
    "set_job_assets",
    "take_back",
    "take_back_line",
]
