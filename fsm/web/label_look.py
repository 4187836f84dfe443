"""A stranger's look at a label: what it leads to, and what is said where it leads nowhere."""

from dataclasses import dataclass
from urllib.parse import quote, urlsplit

from litestar import Response

from fsm.assets import doors, resolver
from fsm.assets.doors import Door, Key
from fsm.assets.resolver import Link, LinkType, Missing, Product, Standing
from fsm.assets.visitor_limits import visitor_of
from fsm.http import DbSession
from fsm.settings import Settings
from fsm.web.public_pages import AnyRequest, address_of, page
from fsm.web.views import FormProblem, MissingView, Typed


@dataclass(frozen=True, slots=True)
class Look:
    """What a request for a label's address found: the key, and where it leads if it is anybody's."""

    key: Key
    door: Door | None

    @property
    def path(self) -> str:
        """The label's path with whatever a URL cannot hold escaped."""
        return quote(self.key.path)

    @property
    def reason(self) -> Missing:
        is_retired = self.door is not None and self.door.standing is Standing.RETIRED
        return Missing.RETIRED_CODE if is_retired else Missing.UNKNOWN_CODE


async def look_at(request: AnyRequest, session: DbSession, key: Key) -> Look:
    """Find what a label leads to and bind the transaction to its tenant."""
    settings: Settings = request.app.state.settings
    host = request.headers.get("host", "")[:255]
    door = await doors.open_door_without_actor(session, key, host, settings.public_url)
    return Look(key, door)


def visitor_at(request: AnyRequest, door: Door) -> str:
    settings: Settings = request.app.state.settings
    key = settings.derived_key("visitor")
    return visitor_of(key, door.tenant_id, address_of(request))


def resolved(look: Look) -> resolver.Passport:
    """Return what the resolver decides over. Targets are absolute, on the host that printed the label."""
    door = look.door
    if door is None:
        return resolver.Passport(Standing.UNKNOWN, look.path, look.path + "/page")
    page_url = f"{root_of(door)}{look.path}/page"
    product: Product | None = None
    links: tuple[Link, ...] = ()
    if door.machine is not None:
        machine = door.machine
        photo = f"{root_of(door)}{look.path}/photo" if machine.photo_sha256 else None
        product = Product(machine.model, machine.manufacturer, machine.serial_tail, photo)
        links = tuple(
            Link(kind, page_url, title)
            for kind, title in (
                (LinkType.SERVICE_INFO, "Passport"),
                (LinkType.SUPPORT, "Support"),
                (LinkType.CREATE_REQUEST, "Report a problem"),
            )
        )
    return resolver.Passport(
        standing=door.standing,
        url=door.url.text,
        page_url=page_url,
        links=links,
        product=product,
        forward_to=door.forward_url,
    )


def root_of(door: Door) -> str:
    parts = urlsplit(door.url.text)
    return f"{parts.scheme}://{parts.netloc}"


def missing_page(
    request: AnyRequest,
    look: Look,
    reason: Missing,
    status: int,
    *,
    headers: dict[str, str] | None = None,
    problems: list[FormProblem] | None = None,
    shown_again: Typed | None = None,
) -> Response[bytes]:
    """Answer for a code without a passport; the form is offered where somebody would read it."""
    has_passport = reason is Missing.NO_SUCH_LINK
    view = MissingView(
        path=f"{look.path}/page",
        service_name=look.door.service_name if look.door else None,
        reason=reason,
        code=look.key.shown[:60],
        send_url=f"{look.path}/wrong-label" if look.door and not has_passport else None,
        passport_url=f"{look.path}/page" if has_passport else None,
        problems=problems or (),
        typed=shown_again or Typed(),
    )
    return page(request, "missing", view, status, headers)
