"""What the office does about money: none of it changes what a phone shows, and the feed stays right."""

from tests.mobile_api.office_writes import dispatch, edit, make
from tests.mobile_api.walking import Walk


async def ledger(walk: Walk) -> None:
    """Costs by hand and taken back, who pays, several assets on one job."""
    rule = {"code": "misuse", "name": "Misuse", "payer": "customer", "starts_on": "2026-01-01"}
    added = await make(walk, "/api/payer-rules", {**rule, "conditions": {"causes": ["misuse"]}})
    await edit(walk, "/api/payer-rules", added, ground="Damaged by the customer")
    job, _ = await dispatch(walk)
    path = f"/api/work-orders/{job['id']}"
    bill = {"kind": "contractor", "unit_cost": "80.00", "posted_on": "2026-03-23"}
    (line,) = await walk.step("POST", f"{path}/costs", bill)
    await make(walk, f"{path}/payer-decision", {"payer": "goodwill", "ground": "Our mistake"})
    await make(walk, f"{path}/payer-review", {})
    (line,) = await walk.step("POST", f"{path}/costs", bill)
    await make(walk, f"/api/cost-lines/{line['id']}/taking-back", {"reason": "Billed twice"})
    part = {"work_order_id": job["id"], "part_id": str(walk.company.part.id)}
    van, main = str(walk.company.van.id), str(walk.company.warehouse.id)
    stock = {"part_id": part["part_id"], "kind": "receipt", "quantity": 3}
    await make(walk, "/api/movements", {**stock, "to_place_id": main})
    kept, ordered = [(await make(walk, "/api/part-requests", part))["id"] for _ in range(2)]
    await make(walk, f"/api/part-requests/{kept}/reservation", {"place_id": main})
    await make(walk, f"/api/part-requests/{kept}/issue", {"to_place_id": van})
    await make(walk, f"/api/part-requests/{ordered}/order", {})
    await make(walk, f"/api/part-requests/{ordered}/cancellation", {"reason": "not needed"})
    await pay(walk)
    await walk.step("POST", f"{path}/costs", {**bill, "payer": "manufacturer"})
    about = {"work_order_id": job["id"], "number": "WC-1"}
    claim = f"/api/warranty-claims/{(await make(walk, '/api/warranty-claims', about))['id']}"
    await make(walk, f"{claim}/decision", {"approved": "80.00"})
    await make(walk, f"{claim}/payments", {"amount": "80.00", "paid_on": "2026-03-23"})
    weights = [{"asset_id": str(walk.company.asset.id), "weight": "1"}]
    await walk.step("PUT", f"{path}/assets", {"assets": weights})


async def pay(walk: Walk) -> None:
    """Rules of pay, a statement, a contractor's bill."""
    rule = {"code": "piece", "name": "Visit", "kind": "piece", "amount": "15.00"}
    added = await make(walk, "/api/pay-rules", {**rule, "starts_on": "2026-01-01"})
    await edit(walk, "/api/pay-rules", added, ends_on="2026-12-31")
    february = {"first_on": "2026-02-01", "last_on": "2026-02-28"}
    mine = {"technician_id": str(walk.company.technician.id), **february}
    await make(walk, "/api/pay-statements", mine)
    mason = {"number": "T-7", "name": "Mason", "zone": "UTC", "is_contractor": True}
    who = {"technician_id": (await make(walk, "/api/technicians", mason))["id"], **february}
    await make(walk, "/api/contractors/invoices", {**who, "number": "R-1", "amount": "9.00"})
