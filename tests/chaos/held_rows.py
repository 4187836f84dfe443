"""The server's rows as a simulated phone holds them, and what is wrong with a page that changes them."""

import base64
import json
from collections.abc import Callable, Collection
from typing import Any

from tests.chaos.bursts import Place
from tests.chaos.journal import digest

Key = tuple[str, str]

LIVE = ("dispatched", "travelling", "on_site", "paused")


class HeldRows:
    """A phone's copy of what it may see. A fresh installation has none.

    `violate(oracle, sentence)` is told whatever a server must never answer.
    """

    def __init__(self, violate: Callable[[str, str], None]) -> None:
        self.rows: dict[Key, dict[str, Any]] = {}
        self.since: str | None = None
        self.epoch: str | None = None
        self.head = 0
        self.is_complete = False
        self._violate = violate

    def apply(self, page: dict[str, Any], busy: Collection[str]) -> None:
        """Take a page of a pull over; `busy` are the visits with work that still waits on the phone."""
        if self.epoch is not None and page["epoch"] == self.epoch:
            if page["head"] < self.head:
                self._violate("O8", f"head went back from {self.head} to {page['head']}")
            before, after = _positions(self.since), _positions(page["since"])
            for scope, seq in before.items():
                if scope in after and after[scope] < seq:
                    self._violate("O8", f"the token of {scope} went back")
        for change in page["changes"]:
            key = (change["c"], change["id"])
            known = self.rows.get(key)
            if known is not None and change["rev"] <= known["rev"]:
                self._violate("O8", f"{key} went back from rev {known['rev']} to {change['rev']}")
            if change["op"] == "put":
                self.rows[key] = change
            else:
                if change["c"] == "visits" and change["id"] in busy and known is not None:
                    self._violate("two-phase leave", f"{key} is gone while its work waits here")
                self.rows.pop(key, None)
        for scope in page["dropped"]:
            self._violate("O6", f"{scope} was dropped although nothing was taken away")
        self.since, self.head, self.epoch = page["since"], page["head"], page["epoch"]

    def mend(self, body: dict[str, Any]) -> None:
        """Take an answer to a row by row comparison over."""
        for change in body["put"]:
            self.rows[change["c"], change["id"]] = change
        for coll, ids in body["gone"].items():
            for row_id in ids:
                self.rows.pop((coll, row_id), None)

    def begin_anew(self, body: dict[str, Any]) -> None:
        """Read on from where a comparison ended."""
        self.since, self.head, self.epoch = body["since"], body["head"], body["epoch"]
        self.is_complete = False

    def revisions(self) -> dict[str, list[tuple[str, int]]]:
        have: dict[str, list[tuple[str, int]]] = {}
        for (coll, row_id), change in self.rows.items():
            have.setdefault(coll, []).append((row_id, change["rev"]))
        return have

    def open_visits(self, technician_name: str) -> list[str]:
        """Return the visits of a technician that may still be worked on."""
        return [
            row_id
            for (coll, row_id), change in self.rows.items()
            if coll == "visits"
            and not change["d"].get("access")
            and change["d"]["status"] in LIVE
            and change["d"]["technician_name"] == technician_name
        ]

    def place_of(self, visit_id: str) -> Place | None:
        """Return where a visit leads; None where what belongs to it has not come with it."""

        def body(coll: str, row_id: str) -> dict[str, Any]:
            found: dict[str, Any] = self.rows[coll, row_id]["d"]
            return found

        try:
            job = body("work_orders", body("visits", visit_id)["work_order_id"])
            contact = next(
                change["d"]
                for (coll, _), change in self.rows.items()
                if coll == "contacts" and change["d"]["customer_id"] == job["customer_id"]
            )
            return Place(
                job["id"], body("assets", job["asset_id"]), body("sites", job["site_id"]), contact
            )
        except (KeyError, StopIteration):
            return None

    # --- oracles ------------------------------------------------------------------------------------------

    def agrees_with(self, told: dict[str, Any]) -> bool:
        """O4: whether the server's digest is that of these rows."""
        if told == (own := digest(self.rows)):
            return True
        odd = sorted(coll for coll in told.keys() | own.keys() if told.get(coll) != own.get(coll))
        differing = [(coll, told.get(coll), own.get(coll)) for coll in odd[:3]]
        self._violate("O4", f"the digest differs from what was pulled: {differing}")
        return False

    def check_completed(self) -> None:
        """O5: what reads `completed` in one snapshot has its answers and its verified photo there too."""
        answers: dict[str, set[str]] = {}
        photos: dict[str, set[str]] = {}
        for (coll, _), change in self.rows.items():
            body = change["d"]
            if coll == "visits":
                answers.setdefault(body["work_order_id"], set()).update(body["answers"])
            elif coll == "photos" and body["retracted_at"] is None:
                photos.setdefault(body["work_order_id"], set()).add(body["state"])
        for (coll, row_id), change in self.rows.items():
            body = change["d"]
            if coll != "work_orders" or body.get("access") or body["status"] != "completed":
                continue
            if not {"safe", "reading"} <= answers.get(row_id, set()):
                self._violate("O5", f"job {row_id} is completed without its answers")
            if "verified" not in photos.get(row_id, set()):
                self._violate("O5", f"job {row_id} is completed, its photos {photos.get(row_id)}")

    def compare_with(self, cold: "HeldRows") -> None:
        """O4: a fresh reader gets exactly what this phone has come to hold."""
        granted = {
            key: (one["rev"], one["d"])
            for key, one in self.rows.items()
            if not one["d"].get("access")
        }
        fresh = {key: (one["rev"], one["d"]) for key, one in cold.rows.items()}
        if fresh != granted:
            odd = sorted(
                key for key in fresh.keys() | granted.keys() if fresh.get(key) != granted.get(key)
            )
            self._violate("O4", f"{len(odd)} rows differ from a cold pull, such as {odd[:3]}")


def _positions(token: str | None) -> dict[str, int]:
    """Return what a feed token says of each scope: opaque to an app, but an oracle may look inside."""
    if token is None:
        return {}
    payload = token.split(".")[1]
    seqs: dict[str, int] = json.loads(
        base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4))
    )["s"]
    return seqs
