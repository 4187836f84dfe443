"""What each server-rendered page shows: the values a route hands to `pages.render`.

| page | view | answered with |
|---|---|---|
| `passport` | `PassportView` | 200; 422 when the form comes back with problems |
| `unclaimed` | `UnclaimedView` | 200 |
| `missing` | `MissingView` | 404 or 410, as the resolver says |
| `wrong_label` | `WrongLabelView` | 200; 422 |
| `thanks` | `ThanksView` | 200, after a redirect (303) from the form |
| `status` | `StatusView` | 200; 422 |
| `move` | `MoveView` | 200; 422; 409 when a time was taken by somebody else |
| `price` | `PriceView` | 200; 422; 409 when it could no longer be answered |
| `document` | `DocumentView` | 200 |
| `error` | `ErrorView` | the error's own status |

Forms are `multipart/form-data` (report) and `application/x-www-form-urlencoded` (wrong label),
posted to the address that the view names. Their field names are `ReportField` and
`WrongLabelField`.

Nothing here names a customer, an address or a history: a passer-by reads these pages.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final
from zoneinfo import ZoneInfo

from fsm.assets.resolver import Missing
from fsm.work_orders.scope_changes.rules import OfferState
from fsm.work_orders.threads.tables import Author
from reports.documents.kinds import DocumentKind, DocumentState

LONGEST_TEXT: Final = 2000
LONGEST_NAME: Final = 100
LONGEST_PHONE: Final = 40
LONGEST_EMAIL: Final = 254


class ReportField(StrEnum):
    """Names in the report form."""

    TEXT = "text"  # what is wrong, required, at most LONGEST_TEXT characters
    PHOTO = "photo"  # one image file, optional
    IMPACT = "impact"  # one of work_orders.tables.Impact, required
    CONTACT_NAME = "contact_name"
    CONTACT_PHONE = "contact_phone"
    CONTACT_EMAIL = "contact_email"
    ADD_TO = "add_to"  # OpenReport.token, or empty for a report of its own
    REPORT_ID = (
        "report_id"  # echo of PassportView.report_id: the same form sent twice is one report
    )
    WEBSITE = "website"  # honeypot: a person never sees it; filled in means a robot


class WrongLabelField(StrEnum):
    """Names in the "this label is wrong" form."""

    REASON = "reason"  # one of assets.tables.LabelReason, required
    TEXT = "text"
    CONTACT_PHONE = "contact_phone"
    WEBSITE = "website"


class RatingField(StrEnum):
    """Names in the form that rates a visit. `stars` or `thumb` is needed."""

    STARS = "stars"  # 1 to 5
    THUMB = "thumb"  # up or down, for messengers and mails with two links
    NPS = "nps"  # 0 to 10, or empty
    COMMENT = "comment"
    CONTACT_PHONE = "contact_phone"
    WEBSITE = "website"


class HelpedField(StrEnum):
    """Names in the form that says which advice helped."""

    CODE = "helped"  # Hint.code


class MessageField(StrEnum):
    """Names in the form of the thread."""

    TEXT = "text"
    WEBSITE = "website"


class MoveField(StrEnum):
    """Names in the form that moves an appointment. One of `choice` and `note` is needed."""

    CHOICE = "choice"  # MoveChoice.sealed
    NOTE = "note"
    WEBSITE = "website"


class PriceField(StrEnum):
    """Names in the form that answers an offered price."""

    ANSWER = "answer"  # one of PriceAnswer, required
    NAME = "name"  # who answers, required
    TEXT = "text"  # anything else, optional
    WEBSITE = "website"


class PriceAnswer(StrEnum):
    APPROVE = "approve"
    REFUSE = "refuse"


class FormProblem(StrEnum):
    """What keeps a form from being taken; the page says it beside the field."""

    TEXT_MISSING = "text_missing"
    TEXT_TOO_LONG = "text_too_long"
    IMPACT_MISSING = "impact_missing"
    PHOTO_TOO_LARGE = "photo_too_large"
    PHOTO_NOT_IMAGE = "photo_not_image"
    PHOTO_TOO_MANY_PIXELS = "photo_too_many_pixels"
    PHOTO_DAMAGED = "photo_damaged"
    PHOTO_NOT_STORED = "photo_not_stored"  # our side: the disk is full, the store does not answer
    EMAIL_UNREADABLE = "email_unreadable"
    REASON_MISSING = "reason_missing"
    STARS_MISSING = "stars_missing"
    NPS_UNREADABLE = "nps_unreadable"
    MESSAGE_MISSING = "message_missing"
    MESSAGE_TOO_LONG = "message_too_long"
    CHOICE_MISSING = "choice_missing"
    SLOT_TAKEN = "slot_taken"
    ANSWER_MISSING = "answer_missing"
    NAME_MISSING = "name_missing"
    PRICE_CHANGED = "price_changed"  # who pays is no longer what it was when the price was offered


class ThanksKind(StrEnum):
    """What was sent."""

    REPORT = "report"
    ADDITION = "addition"  # added to an open report
    WRONG_LABEL = "wrong_label"
    HELPED = "helped"  # advice helped, and nothing was reported


class StepName(StrEnum):
    """The steps of a job as its reporter sees them, in order."""

    RECEIVED = "received"
    PLANNED = "planned"
    ON_THE_WAY = "on_the_way"
    IN_PROGRESS = "in_progress"
    DONE = "done"


class ErrorKind(StrEnum):
    """What went wrong, as far as a passer-by is concerned."""

    UNREADABLE = "unreadable"  # 400, 422 where no form can be shown again
    LINK_EXPIRED = "link_expired"  # 404, 410 of a status link
    TOO_LARGE = "too_large"  # 413
    TOO_MANY = "too_many"  # 429
    BUSY = "busy"  # 503
    INTERNAL = "internal"  # 500


@dataclass(frozen=True, slots=True, kw_only=True)
class PageView:
    """What the frame of every page shows.

    `path` is the page's own address for GET, without query: the language switch leads there.
    `service_name` is the tenant's name for the public, None while no tenant is known.
    """

    path: str
    service_name: str | None = None
    service_phone: str | None = None


@dataclass(frozen=True, slots=True)
class OpenReport:
    """A report on the same asset that is still open. `token` is opaque and good for this asset
    only.
    """

    token: str
    age_s: int


@dataclass(frozen=True, slots=True)
class Typed:
    """What the reporter had typed, shown again when a form comes back. A photo cannot be."""

    text: str = ""
    impact: str = ""
    contact_name: str = ""
    contact_phone: str = ""
    contact_email: str = ""
    add_to: str | None = None
    reason: str = ""

    @property
    def has_contact(self) -> bool:
        return bool(self.contact_name or self.contact_phone or self.contact_email)


@dataclass(frozen=True, slots=True)
class Hint:
    """What a passer-by may be told of a known problem."""

    code: str
    title: str
    advice: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PassportView(PageView):
    """The public page of an asset.

    `short_code` as on the label. `serial_tail` is the last few characters of the serial number.
    `photo_url` is on our own host, or on a host given to `pages.headers`. `report_url` takes the
    form, `helped_url` which hint made it needless, `wrong_label_url` shows the other one.
    `office_url` is set for people who are signed in.
    """

    short_code: str
    model_name: str
    manufacturer: str | None = None
    serial_tail: str | None = None
    photo_url: str | None = None
    report_url: str
    helped_url: str
    wrong_label_url: str
    report_id: str
    open_report: OpenReport | None = None
    hints: Sequence[Hint] = ()
    is_trial: bool = False
    most_photo_mb: int = 15
    problems: Sequence[FormProblem] = ()
    typed: Typed = field(default_factory=Typed)
    office_url: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class UnclaimedView(PageView):
    """A printed code that is not attached yet. `claim_url` leads staff on, through sign-in if
    needed.
    """

    code: str
    claim_url: str
    wrong_label_url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WrongLabelView(PageView):
    """The form "this label is wrong" for a code that works; `back_url` is its passport page."""

    code: str
    send_url: str
    back_url: str
    problems: Sequence[FormProblem] = ()
    typed: Typed = field(default_factory=Typed)


@dataclass(frozen=True, slots=True, kw_only=True)
class MissingView(PageView):
    """A code without a passport. `send_url` takes the wrong-label form; None leaves the form away.

    `passport_url` is set for `Missing.NO_SUCH_LINK`, where the passport itself is fine.
    """

    reason: Missing
    code: str
    send_url: str | None
    passport_url: str | None = None
    problems: Sequence[FormProblem] = ()
    typed: Typed = field(default_factory=Typed)


@dataclass(frozen=True, slots=True, kw_only=True)
class ThanksView(PageView):
    """After a form was taken. `photo_stored` is None when none was sent, `photo_problem` says why it
    was not taken; `status_url` only for reports.
    """

    kind: ThanksKind
    status_url: str | None = None
    photo_stored: bool | None = None
    photo_problem: FormProblem | None = None
    most_photo_mb: int = 15
    back_url: str | None = None


@dataclass(frozen=True, slots=True)
class StatusStep:
    """One step; `reached_at` is aware, None for a step not reached (or passed over without a
    time).
    """

    name: StepName
    reached_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RatingView:
    """The form that rates the last visit, with what was said before.

    `changeable_until` is None until something was said. `is_closed` when that time is over: what was said is
    shown, and the form is not. `asks_for_call` when the office has been asked to call.
    """

    send_url: str
    stars: int | None = None
    nps: str = ""
    comment: str = ""
    contact_phone: str = ""
    changeable_until: datetime | None = None
    is_closed: bool = False
    asks_for_call: bool = False


@dataclass(frozen=True, slots=True)
class MoveChoice:
    """A window that can be had. `sealed` is what the form sends back."""

    sealed: str
    opens_at: datetime
    closes_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class MoveView(PageView):
    """The form that moves an appointment. `is_taken_at_once` where nobody in the office need agree."""

    zone: ZoneInfo
    send_url: str
    back_url: str
    choices: Sequence[MoveChoice]
    is_taken_at_once: bool
    window: tuple[datetime, datetime] | None = None
    note: str = ""
    problems: Sequence[FormProblem] = ()


@dataclass(frozen=True, slots=True)
class AskedView:
    """A move that the office has yet to agree to; without a window none of the offered ones suited."""

    window: tuple[datetime, datetime] | None


@dataclass(frozen=True, slots=True)
class PriceLine:
    """One line of an offered price. `price` is empty where it costs the reader nothing."""

    name: str
    quantity: str
    price: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceView(PageView):
    """The price of a job that becomes wider, and the form that answers it.

    Amounts come as they are read. `sentences` are what each answer says: the chosen one is kept as evidence,
    word for word. `send_url` is None when nothing can be answered any more, for which `state` is the reason;
    then `answered_by` and `answered_at` say who answered, where somebody did.
    """

    number: str
    model_name: str | None
    zone: ZoneInfo
    lines: Sequence[PriceLine]
    total: str
    note: str
    state: OfferState
    expires_at: datetime
    sentences: dict[PriceAnswer, str]
    send_url: str | None = None
    answer: str = ""
    name: str = ""
    text: str = ""
    answered_by: str = ""
    answered_at: datetime | None = None
    problems: Sequence[FormProblem] = ()


@dataclass(frozen=True, slots=True)
class PriceLink:
    """A price of the job that can be opened."""

    state: OfferState
    total: str
    url: str


@dataclass(frozen=True, slots=True)
class MessageLine:
    """One message; `author` is a word of the catalogue, `is_own` when it came through this very link."""

    author: Author
    name: str
    text: str
    written_at: datetime
    is_own: bool


@dataclass(frozen=True, slots=True)
class ThreadView:
    """What was said so far, and where to answer (None: nobody reads it any more)."""

    lines: Sequence[MessageLine]
    send_url: str | None
    text: str = ""


@dataclass(frozen=True, slots=True)
class DocumentLink:
    """A paper of the job that can be opened. `kind` is a word of the catalogue."""

    kind: DocumentKind
    number: str
    url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusView(PageView):
    """How far a report has come. All instants are aware and shown on the clocks of the site's
    `zone`.

    `current` is the step reached last. `window` is when arrival was announced, `arrival_at` the
    present estimate; both are shown until work begins. With `cancelled_at` the report was closed
    without a job.
    """

    model_name: str
    zone: ZoneInfo
    current: StepName
    reached_at: dict[StepName, datetime]
    checked_at: datetime
    window: tuple[datetime, datetime] | None = None
    arrival_at: datetime | None = None
    technician_first_name: str | None = None
    cancelled_at: datetime | None = None
    move_url: str | None = None
    asked: AskedView | None = None
    prices: Sequence[PriceLink] = ()
    documents: Sequence[DocumentLink] = ()
    thread: ThreadView | None = None
    rating: RatingView | None = None
    problems: Sequence[FormProblem] = ()

    @property
    def is_late(self) -> bool:
        """Whether the technician is expected after the announced window."""
        if self.window is None or self.arrival_at is None:
            return False
        return self.arrival_at > self.window[1]

    @property
    def steps(self) -> tuple[StatusStep, ...]:
        return tuple(StatusStep(name, self.reached_at.get(name)) for name in StepName)

    def is_reached(self, step: StepName) -> bool:
        order = list(StepName)
        return order.index(step) <= order.index(self.current)

    @property
    def is_before_work(self) -> bool:
        return not self.is_reached(StepName.IN_PROGRESS) and self.cancelled_at is None


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentView(PageView):
    """What a printed document is worth today: nothing of what it says.

    `kind` and `state` are words of the catalogue; `file_sha256` is what a file is compared with.
    """

    kind: DocumentKind
    number: str
    issued_at: datetime
    zone: ZoneInfo
    state: DocumentState
    file_sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorView(PageView):
    """Something did not work. `reference` finds an internal error in the log; `retry_after_s`
    if known.
    """

    kind: ErrorKind
    back_url: str | None = None
    reference: str | None = None
    retry_after_s: int | None = None
    most_photo_mb: int = 15
