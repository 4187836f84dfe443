"""The demonstration's company as the CSV files that a real one would bring: read by the ordinary import."""

import csv
import io
import random
from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from fsm.demo.equipment import BY_CUSTOMER, MODELS, Model
from fsm.demo.places import CUSTOMERS, SITES, TECHNICIANS

ZONE = ZoneInfo("Europe/Prague")
ASSETS = 150
Rows = list[dict[str, Any]]

_BY_CODE = {model.code: model for model in MODELS}


def as_csv(rows: Iterable[dict[str, Any]]) -> str:
    rows = list(rows)
    out = io.StringIO()
    writer = csv.DictWriter(out, list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


def company_files(today: date) -> dict[str, str]:
    """Return kind → CSV for everything but history, in the order in which it is imported."""
    assets = list(_assets(today))
    return {
        "customers": as_csv(
            {"number": number, "name": name, "email": email} for number, name, email in CUSTOMERS
        ),
        "sites": as_csv(_sites()),
        "assets": as_csv(assets),
        "contracts": as_csv(_contracts(assets, today)),
        "technicians": as_csv(_technicians(today)),
        "parts": as_csv(_parts(today)),
    }


def _sites() -> Iterator[dict[str, Any]]:
    for number, (customer, name, place) in enumerate(SITES, start=1):
        yield {
            "number": f"S-{number:02}",
            "customer": customer,
            "name": name,
            "address": f"{place.name}, Praha" if place.region != "" else place.name,
            "city": place.name,
            "region": place.region,
            "country": "CZ",
            "latitude": place.latitude,
            "longitude": place.longitude,
            "zone": "Europe/Prague",
            "access_notes": "Report at the reception."
            if customer != "C-300"
            else "Gate code 4711#",
            "hazards": "Patients present: keep noise low." if customer == "C-200" else "",
        }


def _assets(today: date) -> Iterator[dict[str, Any]]:
    """150 assets over the 40 sites; most older than the year that is told, some newer."""
    rng = random.Random("assets")
    for number in range(1, ASSETS + 1):
        site = (number - 1) % len(SITES)
        customer = SITES[site][0]
        models = BY_CUSTOMER[customer]
        model = _BY_CODE[models[(number + number // len(SITES)) % len(models)]]
        age_days = rng.randrange(40, 2_400)
        since = today - timedelta(days=age_days)
        yield {
            "number": f"A-{number:03}",
            "site": f"S-{site + 1:02}",
            "name": f"{model.equipment.capitalize()} {number // len(SITES) + 1}",
            "manufacturer": model.manufacturer,
            "model": model.code,
            "model_name": model.name,
            "equipment": model.equipment,
            "serial": f"{model.code.replace('-', '')}{10_000 + 37 * number}",
            "criticality": 5 if model.trade == "medical" else rng.choice((2, 3, 3, 4)),
            "in_service_from": datetime(
                since.year, since.month, since.day, 7, tzinfo=UTC
            ).isoformat(),
            "commissioned_on": since.isoformat(),
            "warranty_ends_on": (since + timedelta(days=730)).isoformat(),
            "service_life_ends_on": (since + timedelta(days=15 * 365)).isoformat(),
        }


def _contracts(assets: Rows, today: date) -> Iterator[dict[str, Any]]:
    """One contract of every kind; young assets are under their makers' warranty beside it."""
    begins = today.replace(month=1, day=1) - timedelta(days=730)
    by_customer: dict[str, list[str]] = {}
    young = []
    for asset in assets:
        by_customer.setdefault(SITES[int(asset["site"][2:]) - 1][0], []).append(asset["number"])
        if date.fromisoformat(asset["warranty_ends_on"]) >= today:
            young.append((SITES[int(asset["site"][2:]) - 1][0], asset))
    kinds = {
        "C-100": ("subscription", "Full service hotels", "gold", 84_000,
                  "labour=contract;travel=contract;parts=contract"),
        "C-200": ("subscription", "Hospital care", "critical", 156_000,
                  "labour=contract;travel=contract;parts=customer"),
        "C-300": ("post_warranty", "Warehouse service", "silver", 39_000,
                  "labour=contract;travel=customer;parts=customer"),
        "C-400": ("time_and_materials", "Schools on call", "silver", 0,
                  "labour=customer;travel=customer;parts=customer"),
    }  # fmt: skip
    for customer, (kind, name, level, fee, payers) in kinds.items():
        yield {
            "number": f"K-{customer[2:]}",
            "customer": customer,
            "name": name,
            "kind": kind,
            "starts_on": begins.isoformat(),
            "ends_on": (today + timedelta(days=400)).isoformat(),
            "service_level": level,
            "monthly_fee": fee,
            "currency": "CZK",
            "maintenance": "corrective;preventive",
            "all_assets": "yes",
            "payers": payers,
            "assets": ";".join(by_customer[customer]),
        }
    for customer in ("C-100", "C-200"):
        covered = [
            f"{one['number']}@{max(one['commissioned_on'], begins.isoformat())}/{one['warranty_ends_on']}"
            for owner, one in young
            if owner == customer
        ]
        if covered:
            yield {
                "number": f"K-{customer[2:]}-W",
                "customer": customer,
                "name": "Makers' warranty",
                "kind": "warranty",
                "starts_on": begins.isoformat(),
                "ends_on": "",
                "service_level": "gold",
                "monthly_fee": 0,
                "currency": "CZK",
                "maintenance": "corrective",
                "all_assets": "no",
                "payers": "labour=manufacturer;travel=contract;parts=manufacturer",
                "assets": ";".join(covered),
            }


def _technicians(today: date) -> Iterator[dict[str, Any]]:
    for number, name, skills, home in TECHNICIANS:
        yield {
            "number": number,
            "name": name,
            "zone": "Europe/Prague",
            "skills": skills,
            "home_address": home.name,
            "home_latitude": home.latitude,
            "home_longitude": home.longitude,
            "labour_rate": 620 if int(number[2:]) % 3 else 690,
            "travel_rate": 410,
            "currency": "CZK",
            "rates_from": (today - timedelta(days=3 * 365)).isoformat(),
        }


def _parts(today: date) -> Iterator[dict[str, Any]]:
    catalogue = (
        ("P-101", "Door roller", 340, 520), ("P-102", "Door drive belt", 890, 1_350),
        ("P-103", "Brake lining", 1_240, 1_900), ("P-201", "Hydraulic hose", 760, 1_150),
        ("P-202", "Lip hinge", 2_100, 3_100), ("P-301", "Compressor", 11_800, 16_900),
        ("P-302", "Fan motor", 3_400, 5_100), ("P-303", "Air filter", 280, 450),
        ("P-401", "Ignition electrode", 640, 980), ("P-402", "Circulation pump", 4_900, 7_300),
        ("P-501", "Door seal", 1_900, 2_900), ("P-502", "Pressure sensor", 2_650, 3_900),
        ("P-503", "Membrane", 8_200, 11_900), ("P-601", "Control board", 6_400, 9_600),
    )  # fmt: skip
    for number, name, cost, price in catalogue:
        yield {
            "number": number,
            "name": name,
            "unit": "pc",
            "cost": cost,
            "price": price,
            "currency": "CZK",
            "price_from": (today - timedelta(days=3 * 365)).isoformat(),
        }


def history_file(today: date, days: int = 365) -> str:
    """Return a year of closed work up to yesterday: failures as they come, inspections once a year."""
    rng = random.Random("history")
    rows: Rows = []
    for asset in _assets(today):
        model = _BY_CODE[asset["model"]]
        since = max(
            datetime.fromisoformat(asset["in_service_from"]),
            datetime(today.year, today.month, today.day, tzinfo=UTC) - timedelta(days=days),
        )
        rows += _failures(rng, asset, model, since, today)
        rows += _inspections(rng, asset, since, today)
    rows.sort(key=lambda row: row["reported_at"])
    for number, row in enumerate(rows, start=1):
        row["source_id"] = f"old-{number:05}"
    return as_csv(rows)


def _failures(
    rng: random.Random, asset: dict[str, Any], model: Model, since: datetime, today: date
) -> Iterator[dict[str, Any]]:
    """Draw failures from an exponential law; a few assets are lemons and fail three times as often."""
    mean = model.mtbf_days / (3 if rng.random() < 0.08 else 1)
    at = since
    last = datetime(today.year, today.month, today.day, tzinfo=UTC) - timedelta(days=1)
    able = [number for number, _, skills, _ in TECHNICIANS if f"{model.trade}:" in skills]
    while True:
        at += timedelta(days=rng.expovariate(1 / mean))
        reported = at + timedelta(minutes=rng.randrange(2, 90))
        hours = rng.lognormvariate(0, 0.5) * model.repair_h
        arrives = reported + timedelta(hours=rng.choice((1, 2, 3, 4, 6, 20)) + rng.random())
        restored = arrives + timedelta(hours=hours)
        if restored >= last:
            return
        parts = rng.choice((0, 0, 340, 890, 1_240, 3_400)) if rng.random() < 0.6 else 0
        travel_h = rng.uniform(0.3, 1.2)
        yield {
            "source_id": "",
            "site": asset["site"],
            "asset": asset["number"],
            "work_type": model.work_type,
            "maintenance": "corrective",
            "title": f"{asset['name']}: {rng.choice(model.modes).replace('_', ' ')}",
            "reported_at": _stamp(reported),
            "started_at": _stamp(arrives),
            "finished_at": _stamp(restored),
            "restored_at": _stamp(restored),
            "closed_at": _stamp(restored + timedelta(hours=rng.uniform(2, 40))),
            "technician": rng.choice(able),
            "cost_labour": f"{hours * 620:.2f}",
            "cost_travel": f"{travel_h * 410:.2f}",
            "cost_parts": f"{parts:.2f}",
            "currency": "CZK",
            "failed_at": _stamp(at),
            "failure_mode": rng.choice(model.modes),
            "failure_cause": rng.choice(("wear", "wear", "misuse", "settings", "power")),
        }
        at = restored


def _inspections(
    rng: random.Random, asset: dict[str, Any], since: datetime, today: date
) -> Iterator[dict[str, Any]]:
    due = since + timedelta(days=rng.randrange(20, 340))
    at = datetime(due.year, due.month, due.day, 8, tzinfo=ZONE).astimezone(UTC)
    if at.date() >= today - timedelta(days=2):
        return
    done = at + timedelta(minutes=rng.randrange(40, 130))
    hours = (done - at).total_seconds() / 3600
    yield {
        "source_id": "",
        "site": asset["site"],
        "asset": asset["number"],
        "work_type": "inspection",
        "maintenance": "preventive",
        "title": f"{asset['name']}: yearly inspection",
        "reported_at": _stamp(at - timedelta(days=14)),
        "started_at": _stamp(at),
        "finished_at": _stamp(done),
        "restored_at": "",
        "closed_at": _stamp(done + timedelta(hours=20)),
        "technician": rng.choice([one[0] for one in TECHNICIANS if "electrical" in one[2]]),
        "cost_labour": f"{hours * 620:.2f}",
        "cost_travel": "250.00",
        "cost_parts": "0.00",
        "currency": "CZK",
        "failed_at": "",
        "failure_mode": "",
        "failure_cause": "",
    }


def _stamp(moment: datetime) -> str:
    return moment.astimezone(UTC).replace(microsecond=0).isoformat()
