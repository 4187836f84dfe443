"""What technicians do, as the phone and the board report it: through these functions and no others.

Facts are always accepted. What is late or crossed (a visit withdrawn meanwhile, a job cancelled, another
technician already there) is kept, noted and put before a person; only an unproved `finish` is refused, and
then everything recorded so far stays. A closed job's facts are held: the caller keeps them for review.
"""

from fsm.work_orders.field_work.facts import (
    add_note,
    add_time,
    answer,
    decline_signature,
    record_failure,
    request_part,
    sign,
    use_part,
)
from fsm.work_orders.field_work.photos import (
    declare_photo,
    foresee_photos,
    is_declared,
    lock_awaiting_jobs,
    mark_photo,
    photo_bytes_arrived,
    retract_photo,
    set_photo_state,
)
from fsm.work_orders.field_work.progress import (
    abort,
    arrive,
    check_finish,
    delay,
    finish,
    pause,
    reject,
    request_follow_up,
    resume,
    start,
    travel,
)
from fsm.work_orders.field_work.report import Report
from fsm.work_orders.field_work.waivers import ask_for_waivers, waive

__all__ = [
    "Report",
    "abort",
    "add_note",
    "add_time",
    "answer",
    "arrive",
    "ask_for_waivers",
    "check_finish",
    "declare_photo",
    "decline_signature",
    "delay",
    "finish",
    "foresee_photos",
    "is_declared",
    "lock_awaiting_jobs",
    "mark_photo",
    "pause",
    "photo_bytes_arrived",
    "record_failure",
    "reject",
    "request_follow_up",
    "request_part",
    "resume",
    "retract_photo",
    "set_photo_state",
    "sign",
    "start",
    "travel",
    "use_part",
    "waive",
]
