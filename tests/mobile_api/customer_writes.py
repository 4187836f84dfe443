"""What customers may write, with and without a login, and what a phone must then be shown."""

from tests.fsm.web.status_links import finish, followed
from tests.mobile_api.office_writes import make, read
from tests.mobile_api.walking import Walk


async def customers(walk: Walk) -> None:
    link = await followed(walk.client, walk.database, walk.company, walk.clock)
    await walk.step("POST", f"{link.path}/move", headers={}, data={"note": "Only on Sundays"})
    wish = f"/api/portal/jobs/{link.job.id}/moves"
    await make(walk, wish, {"note": "Or on Mondays"}, role="customer")
    (asked,) = (await read(walk, "/api/reviews?kind=move_asked"))["items"]
    refusal = {"reason": "Nobody is near you then"}
    await walk.step(
        "POST", f"/api/planning/moves/{asked['id']}/refusal", refusal, shows=("work_orders",)
    )
    said = {"text": "Ring twice"}
    await walk.step("POST", f"{link.path}/messages", headers={}, data=said, shows=("work_orders",))
    await make(walk, f"/api/work-orders/{link.job.id}/messages", said, "work_orders")
    await finish(link)
    await walk.step("POST", f"{link.path}/rating", headers={}, data={"stars": "4"})
    await make(walk, f"/api/work-orders/{link.job.id}/ratings", {"stars": 2}, role="customer")
