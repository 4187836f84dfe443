"""What each technician's phones are due to hold, read from base tables, and where a phone differs from it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

SHOWN = ("dispatched", "travelling", "on_site", "paused", "finished", "aborted")
HIDDEN_JOBS = ("closed", "cancelled")
THREAD = 50
"""How many messages of a job a phone holds."""

Rows = dict[str, Any]


@dataclass
class Holdings:
    """Rows by id, as SQL has them; `jobs_of` and `visits_of` are a technician's, whatever became of them."""

    visits: Rows
    jobs: Rows
    assets: Rows
    sites: Rows
    photos: Rows
    messages: dict[str, list[str]]
    jobs_of: dict[str, set[str]] = field(default_factory=dict)
    shown_jobs: dict[str, set[str]] = field(default_factory=dict)
    due_visits: dict[str, set[str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for visit_id, row in self.visits.items():
            self.jobs_of.setdefault(row["technician"], set()).add(row["job"])
            job_status = self.jobs[row["job"]]["status"]
            if row["status"] in SHOWN and job_status not in HIDDEN_JOBS:
                self.due_visits.setdefault(row["technician"], set()).add(visit_id)
                self.shown_jobs.setdefault(row["technician"], set()).add(row["job"])

    @classmethod
    async def read(cls, connection: Any) -> Self:
        async def rows(statement: str) -> Rows:
            return {row["id"]: row for row in await connection.fetch(statement)}

        messages: dict[str, list[str]] = {}
        for job, text in await connection.fetch(
            "select work_order_id::text, text from message order by id"
        ):
            messages.setdefault(job, []).append(text)
        return cls(
            visits=await rows(_VISITS),
            jobs=await rows(_JOBS),
            assets=await rows(_ASSETS),
            sites=await rows("select id::text, rev, access_notes, hazards from site"),
            photos=await rows(_PHOTOS),
            messages=messages,
        )

    def compare(self, phone: Mapping[str, Any]) -> tuple[list[str], list[str]]:
        """Return what a phone holds of strangers, and what else differs, in a few words each.

        What was taken away but still waits for the phone's outbox (`access`) is neither.
        """
        technician = phone["technician"]
        mine = self.jobs_of.get(technician, set())
        jobs = self.shown_jobs.get(technician, set())
        due = {
            "work_orders": jobs,
            "visits": self.due_visits.get(technician, set()),
            "assets": {self.jobs[job]["asset"] for job in jobs},
            "sites": {self.jobs[job]["site"] for job in jobs},
            "photos": {
                photo_id
                for photo_id, row in self.photos.items()
                if row["job"] in jobs or row["technician"] == technician
            },
        }
        # A crew's or a successor's visits of the same job are seen too, and no more than that is due.
        welcome = {
            **due,
            "visits": {one for one, row in self.visits.items() if row["job"] in jobs},
        }
        judges = {
            "work_orders": self._job,
            "visits": self._visit,
            "assets": self._asset,
            "sites": self._site,
            "photos": self._photo,
        }
        strange, odd = [], []
        seen: dict[str, set[str]] = {coll: set() for coll in due}
        for coll, row_id, _, body in phone["rows"]:
            if coll not in due:
                continue
            job = row_id if coll == "work_orders" else body.get("work_order_id")
            if job is not None and job not in mine:
                strange.append(f"{coll} {row_id}")
            if body.get("access"):
                continue
            seen[coll].add(row_id)
            if row_id not in welcome[coll]:
                odd.append(f"{coll} {row_id} should have left")
            elif (here := judges[coll](row_id, body)) is not None:
                held, stored = here
                if held != stored:
                    odd.append(f"{coll} {row_id} is {held}, SQL says {stored}")
        odd += [f"{coll} {one} is missing" for coll in due for one in due[coll] - seen[coll]]
        return strange, odd

    def _job(self, row_id: str, body: Any) -> tuple[Any, Any]:
        row = self.jobs[row_id]
        said = [one["text"] for one in body["messages"]]
        stored = self.messages.get(row_id, [])[-THREAD:]
        return (
            (body["status"], body["title"], len(body["scope_changes"]), said),
            (row["status"], row["title"], row["wider"], stored),
        )

    def _visit(self, row_id: str, body: Any) -> tuple[Any, Any]:
        row = self.visits[row_id]
        counted = ("notes", "times", "parts", "signatures", "answers")
        return (
            (body["status"], *(len(body[name]) for name in counted)),
            (row["status"], *(row[name] for name in counted)),
        )

    def _asset(self, row_id: str, body: Any) -> tuple[Any, Any]:
        row = self.assets[row_id]
        names = ("rev", "place", "notes", "passports")
        return tuple(body[name] for name in names), tuple(row[name] for name in names)

    def _site(self, row_id: str, body: Any) -> tuple[Any, Any]:
        row = self.sites[row_id]
        names = ("rev", "access_notes", "hazards")
        return tuple(body[name] for name in names), tuple(row[name] for name in names)

    def _photo(self, row_id: str, body: Any) -> tuple[Any, Any]:
        row = self.photos[row_id]
        return (
            (body["state"], body["retracted_at"] is not None, body["receipt"] is not None),
            (row["state"], row["is_retracted"], row["has_receipt"]),
        )


_VISITS = """
select v.id::text, v.technician_id::text as technician, v.status, v.work_order_id::text as job,
  (select count(*) from note n where n.tenant_id = v.tenant_id
     and n.work_order_id = v.work_order_id and n.visit_id = v.id) as notes,
  (select count(*) from time_entry e where e.tenant_id = v.tenant_id
     and e.work_order_id = v.work_order_id and e.visit_id = v.id) as times,
  (select count(*) from part_used u where u.tenant_id = v.tenant_id
     and u.work_order_id = v.work_order_id and u.visit_id = v.id) as parts,
  (select count(*) from signature s where s.tenant_id = v.tenant_id
     and s.work_order_id = v.work_order_id and s.visit_id = v.id) as signatures,
  (select count(distinct a.item) from answer a where a.tenant_id = v.tenant_id
     and a.work_order_id = v.work_order_id and a.visit_id = v.id) as answers
from visit v
"""

_JOBS = """
select w.id::text, w.status, w.title, w.asset_id::text as asset, w.site_id::text as site,
  (select count(*) from scope_change c
   where c.tenant_id = w.tenant_id and c.work_order_id = w.id) as wider
from work_order w
"""

_ASSETS = """
select a.id::text, a.rev, a.place, a.notes,
  array(select p.code from passport p
        where p.tenant_id = a.tenant_id and p.asset_id = a.id and p.status = 'active'
        order by p.code) as passports
from asset a
"""

_PHOTOS = """
select p.id::text, p.work_order_id::text as job, v.technician_id::text as technician, p.state,
  p.retracted_at is not null as is_retracted,
  exists (select 1 from receipt r where r.tenant_id = p.tenant_id and r.id = p.id) as has_receipt
from photo p join visit v on v.tenant_id = p.tenant_id and v.id = p.visit_id
"""
