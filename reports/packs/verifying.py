"""Checking a pack with nothing but the file and public keys: no database, no settings, no network.

Findings name what is not as it was made: an altered, missing or added member, an event that is missing, out
of order or rewritten, a signature that does not fit, a verdict that does not follow. Flags name what the pack
itself shows for a person to judge, such as a break in a phone's own chain; they are no fault of the pack.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from itertools import pairwise
from typing import Any, BinaryIO

import rfc8785

from fsm.checklists import templates
from fsm.evidence import device_chain, statements
from fsm.evidence.merkle import BadProof
from fsm.evidence.receipts import BadReceipt, decoded, key_id, public_key, verify_receipt
from fsm.work_orders.closing import verdict
from fsm.work_orders.closing_facts import Facts
from reports.documents.statement import STATEMENT
from reports.packs import form
from reports.packs.container import PackReader, PackRefused

CONTAINER = "archive"
"""Where a finding about the archive around the members is said to be."""


@dataclass(frozen=True, slots=True)
class Finding:
    """`where` is a member's name or `archive`, `what` a sentence."""

    where: str
    what: str

    def __str__(self) -> str:
        return f"{self.where}: {self.what}"


@dataclass(slots=True)
class Report:
    """What checking a pack came to. `job` is the job's number, `kid` the key that signed the manifest.

    `is_key_given` is False where the pack was checked with the keys inside it.
    """

    job: str = ""
    tenant: str = ""
    kid: str = ""
    is_key_given: bool = False
    events: int = 0
    photos: int = 0
    findings: list[Finding] = field(default_factory=list)
    flags: list[Finding] = field(default_factory=list)

    @property
    def is_genuine(self) -> bool:
        return not self.findings


def verify_pack(file: BinaryIO, keys: Iterable[str] = ()) -> Report:
    """Check a pack; `keys` are the server's public keys, `ed25519:<base64url>`, those inside when none.

    Raises `PackRefused` for a file that is no pack or that is not safe to read, `BadReceipt` for a key that
    cannot be read.
    """
    given = {key_id(key): key for key in map(public_key, keys)}
    return _Check(PackReader(file), given).run()


class _Check:
    def __init__(self, pack: PackReader, given: Mapping[str, bytes]) -> None:
        self.pack = pack
        self.report = Report(is_key_given=bool(given))
        self.documents: dict[str, Any] = {}
        self.keys = dict(given)
        self.is_signed = False

    def run(self) -> Report:
        self.read_documents()
        if not self.report.is_key_given:
            self.keys = self.keys_inside()
        manifest = self.documents.get(form.MANIFEST)
        if isinstance(manifest, dict):
            self.guarded(form.MANIFEST, self.check_manifest, manifest)
        if (place := self.pack.find_foreign_byte()) is not None:
            self.find(CONTAINER, f"byte {place} is not as the archive was written")
        for name, check in (
            (form.TEMPLATE, self.check_template),
            (form.VERDICT, self.check_verdict),
            (form.PHOTOS, self.check_photos),
            (form.RECEIPTS, self.check_receipts),
            (form.EVENTS, self.check_events),
            (form.PROOFS, self.check_roots),
            (form.DEVICE_CHAIN, self.check_device_chains),
            (form.ACTS, self.check_acts),
        ):
            if name in self.documents:
                self.guarded(name, check, self.documents[name])
        self.report.findings = list(dict.fromkeys(self.report.findings))
        return self.report

    def find(self, where: str, what: str) -> None:
        self.report.findings.append(Finding(where, what))

    def flag(self, where: str, what: str) -> None:
        self.report.flags.append(Finding(where, what))

    def guarded(self, name: str, check: Callable[[Any], None], document: Any) -> None:
        """Run one check; a document of another shape than ours is a finding, not an accident."""
        try:
            check(document)
        except PackRefused as refused:
            self.find(name, str(refused))
        except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
            self.find(name, f"does not hold what it should ({type(error).__name__}: {error})")

    # --- members ------------------------------------------------------------------------------------------

    def read_documents(self) -> None:
        for name in (form.MANIFEST, *form.DOCUMENTS):
            if name not in self.pack.members:
                self.find(name, "is missing")
                continue
            content = self.pack.read(name)
            try:
                self.documents[name] = json.loads(content)
                if rfc8785.dumps(self.documents[name]) != content:
                    self.find(name, "is not written in the form that packs have")
            except (ValueError, RecursionError):
                self.find(name, "was altered: it is no JSON any more")

    def keys_inside(self) -> dict[str, bytes]:
        found = {}
        try:
            for one in self.documents[form.KEYS]["server"]:
                found[one["kid"]] = public_key(one["key"])
        except (BadReceipt, KeyError, TypeError):
            self.find(form.KEYS, "does not hold the keys that it should")
        return found

    def check_manifest(self, manifest: dict[str, Any]) -> None:
        listed = {one["name"]: one for one in manifest["files"]}
        for name, one in listed.items():
            if name not in self.pack.members:
                self.find(name, "is missing")
            elif self.pack.members[name].size != one["size"]:
                self.find(name, f"was altered: {one['size']} bytes were packed")
            elif self.pack.sha256(name) != one["sha256"]:
                self.find(name, "was altered: its SHA-256 is another one")
        for name in self.pack.members:
            if name not in listed and name != form.MANIFEST:
                self.find(name, "was added")
        for name in (form.README, *form.DOCUMENTS):
            if name not in listed:
                self.find(form.MANIFEST, f"does not list {name}")
        self.report.job = str(manifest["work_order"]["number"])
        self.report.tenant = str(manifest["tenant"]["name"])
        self.report.kid = str(manifest.get("kid"))

        try:
            statements.verify(manifest, form.PACK, self.keys)
            self.is_signed = True
        except statements.BadStatement as error:
            self.find(form.MANIFEST, f"is not genuine. {error}")

    # --- what was judged ----------------------------------------------------------------------------------

    def check_template(self, template: Mapping[str, Any]) -> None:
        loaded = templates.load(template["document"])
        for name, made in (("sha256", loaded.sha256), ("rules_sha256", loaded.rules_sha256)):
            if template[name] != made:
                self.find(form.TEMPLATE, f"its {name} is not that of the checklist in it")
        if self.documents[form.JOB]["rules_sha256"] != loaded.rules_sha256:
            self.find(form.TEMPLATE, "is not the checklist that the job was judged by")

    def check_verdict(self, document: Mapping[str, Any]) -> None:
        template = self.judging_template()
        if template is None:
            return
        facts = Facts.from_json(self.documents[form.FACTS])
        judged = verdict(template, facts).to_json()
        if document["verdict"] != judged:
            self.find(form.VERDICT, "does not follow from the template and the facts")
        closure = document["closure"]
        if closure is not None:
            stored = closure["verdict"]
            for name in ("rules_sha256", "facts_rev", "unmet", "waived"):
                if stored[name] != judged[name]:
                    self.find(form.VERDICT, f"the closure's {name} does not follow from the facts")
            if stored["flags"] != judged["flags"]:
                self.flag(form.VERDICT, "flags were raised after the job was judged")
        self.check_states(facts)

    def judging_template(self) -> templates.Template | None:
        """Return the checklist to judge by; rules that nobody vouches for must keep today's limits.

        One that a given key has signed may hold rules of its time.
        """
        document = self.documents[form.TEMPLATE]["document"]
        is_altered = any(finding.where == form.TEMPLATE for finding in self.report.findings)
        if self.report.is_key_given and self.is_signed and not is_altered:
            return templates.load(document)
        try:
            return templates.publish(document)
        except templates.TemplateRefused as refused:
            self.find(
                form.TEMPLATE,
                f"could not be published, so nothing is judged by it. {refused.detail}",
            )
            return None

    def check_states(self, facts: Facts) -> None:
        """Compare the photos that the verdict counted with those in the pack."""
        shown = {one["photo_id"]: one for one in self.documents[form.PHOTOS]}
        for photo in facts.photos:
            one = shown.get(photo.photo_id)
            if one is None or (one["state"], one["size"]) != (photo.state.value, photo.size):
                self.find(form.FACTS, f"photo {photo.photo_id} is not as {form.PHOTOS} has it")

    # --- bytes --------------------------------------------------------------------------------------------

    def check_photos(self, photos: Sequence[Mapping[str, Any]]) -> None:
        for photo in photos:
            name = photo["member"]
            if name is None:
                if photo["state"] == "verified" and photo["retracted_at"] is None:
                    self.flag(form.PHOTOS, f"the bytes of {photo['photo_id']} are no longer kept")
                continue
            if name != form.photo_member(photo["photo_id"], photo["mime"]):
                self.find(form.PHOTOS, f"photo {photo['photo_id']} names another photo's member")
            elif name not in self.pack.members:
                self.find(name, "is missing")
            elif self.pack.sha256(name) != photo["sha256"]:
                self.find(name, "was altered: it is not the photo that was received")
            else:
                self.report.photos += 1

    def check_receipts(self, receipts: Sequence[Mapping[str, Any]]) -> None:
        by_photo = {one["photo_id"]: one for one in receipts}
        for photo_id, receipt in by_photo.items():
            try:
                verify_receipt(receipt, self.keys)
            except BadReceipt as error:
                self.find(form.RECEIPTS, f"the one of photo {photo_id} is not genuine. {error}")
        for photo in self.documents[form.PHOTOS]:
            known = by_photo.get(photo["photo_id"])
            if known is not None and known["sha256"] != photo["sha256"]:
                self.find(form.RECEIPTS, f"the one of photo {photo['photo_id']} is for other bytes")
            if known is None and photo["state"] == "verified":
                self.flag(form.RECEIPTS, f"there is none for photo {photo['photo_id']}")

    # --- what happened ------------------------------------------------------------------------------------

    def check_events(self, events: Sequence[Mapping[str, Any]]) -> None:
        packed = [int(number) for number in self.documents[form.MANIFEST]["events"]]
        found = [int(one["number"]) for one in events]
        for number in sorted(set(packed) - set(found)):
            self.find(form.EVENTS, f"event {number} is missing")
        for number in sorted(set(found) - set(packed)):
            self.find(form.EVENTS, f"event {number} was added")
        for before, after in pairwise(found):
            if before >= after:
                self.find(form.EVENTS, f"event {after} stands after event {before}")
        last: tuple[int, str] | None = None
        for one in events:
            number = int(one["number"])
            previous = bytes.fromhex(one["previous"])
            if sha256(previous + rfc8785.dumps(one["event"])).hexdigest() != one["hash"]:
                self.find(form.EVENTS, f"event {number} was altered: its hash does not fit")
            if last is not None and last[0] == number - 1 and last[1] != one["previous"]:
                self.find(form.EVENTS, f"event {number} does not follow event {last[0]}")
            last = number, one["hash"]
            self.check_proof(number, one)
        self.check_story(events)
        self.report.events = len(events)

    def check_proof(self, number: int, one: Mapping[str, Any]) -> None:
        proofs = self.documents[form.PROOFS]
        proof = proofs["proofs"].get(str(number))
        if proof is None:
            self.find(form.PROOFS, f"event {number} has no proof")
            return
        try:
            root = proofs["roots"][int(proof["root"])]
            statements.check_proof(bytes.fromhex(one["hash"]), number, proof, root)
        except BadProof as error:
            self.find(form.PROOFS, f"event {number} does not belong to the signed root. {error}")

    def check_story(self, events: Sequence[Mapping[str, Any]]) -> None:
        """Compare what happened with what the pack says the job rests on."""
        tenant = self.documents[form.MANIFEST]["tenant"]["id"]
        if any(one["event"]["tenant_id"] != tenant for one in events):
            self.find(form.EVENTS, "an event is of another company")
        closure = self.documents[form.VERDICT]["closure"]
        told = {one["event"]["data"].get("closure_id") for one in events}
        if closure is not None and closure["id"] not in told:
            self.find(form.EVENTS, "no event tells of the closure that the job rests on")

    def check_roots(self, proofs: Mapping[str, Any]) -> None:
        tenant = self.documents[form.MANIFEST]["tenant"]["id"]
        for root in proofs["roots"]:
            day = root.get("date", "the day that is not over")
            kind = statements.ROOT if "date" in root else statements.OPEN_ROOT
            try:
                statements.verify(root, kind, self.keys)
            except statements.BadStatement as error:
                self.find(form.PROOFS, f"the root of {day} is not genuine. {error}")
            if root["tenant_id"] != tenant:
                self.find(form.PROOFS, f"the root of {day} is another company's")

    def check_device_chains(self, chains: Sequence[Mapping[str, Any]]) -> None:
        nonces = {one["id"]: one["nonce"] for one in self.documents[form.JOB]["visits"]}
        keys = {one["device_id"]: one["key"] for one in self.documents[form.KEYS]["devices"]}
        for chain in chains:
            nonce, key = nonces[chain["visit_id"]], keys[chain["device_id"]]
            broken = device_chain.breaks(
                None if nonce is None else decoded(nonce, "nonce"),
                chain["records"],
                None if key is None else public_key(key),
            )
            for one in broken:
                self.flag(
                    form.DEVICE_CHAIN,
                    f"record {one.seq} of device {chain['device_id']} breaks its chain: {one.code}",
                )

    # --- what was issued ----------------------------------------------------------------------------------

    def check_acts(self, acts: Sequence[Mapping[str, Any]]) -> None:
        for act in acts:
            told = act["statement"]
            number, name = told["number"], act["member"]
            try:
                statements.verify(told, STATEMENT, self.keys)
            except statements.BadStatement as error:
                self.find(form.ACTS, f"the statement of {number} is not genuine. {error}")
            if told["tenant"]["id"] != self.documents[form.MANIFEST]["tenant"]["id"]:
                self.find(form.ACTS, f"{number} is another company's")
            if name is None:
                self.flag(form.ACTS, f"the file of {number} is no longer kept")
            elif name != form.act_member(number):
                self.find(form.ACTS, f"{number} names another act's member")
            elif name not in self.pack.members:
                self.find(name, "is missing")
            elif self.pack.sha256(name) != told["file"]["sha256"]:
                self.find(name, "was altered: it is not the act that was issued")
