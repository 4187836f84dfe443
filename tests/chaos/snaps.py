"""Photos as a simulated phone holds them: their bytes, the way to the server, the receipt that frees them."""

import base64
import hashlib
import json
import random
from dataclasses import dataclass
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from tests.chaos.wire import Cut, Wire

TUS = {"Tus-Resumable": "1.0.0"}


@dataclass
class Snap:
    """A photo as the phone holds it; its bytes grow again from its id."""

    photo_id: str
    visit_id: str
    size: int
    like: str = ""
    """The photo whose bytes these are once more; empty for a picture of its own."""
    path: str | None = None
    is_received: bool = False
    is_proved: bool = False
    """Its receipt is here and genuine; otherwise `is_received` says that nobody waits for one."""

    @property
    def content(self) -> bytes:
        """A small JPEG whose comments make it the only one of its kind."""
        noise = random.Random(self.like or self.photo_id).randbytes(self.size)
        comments = b"".join(
            b"\xff\xfe" + (len(part) + 2).to_bytes(2) + part
            for part in (noise[at : at + 60_000] for at in range(0, len(noise), 60_000))
        )
        return _JPEG[:2] + comments + _JPEG[2:]

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.content).hexdigest()

    async def send(self, wire: Wire, token: str, rng: random.Random) -> None:
        """Send what the server lacks, from where it says the upload stands."""
        content = self.content
        headers = {"Authorization": f"Bearer {token}", **TUS}
        offset = await self._offset(wire, headers)
        while offset < len(content):
            end = len(content)
            if rng.random() < 0.3:
                end = rng.randint(offset + 1, len(content))
            piece = content[offset:end]
            more = {"Content-Type": "application/offset+octet-stream", "Upload-Offset": str(offset)}
            if rng.random() < 0.5:
                sha = base64.b64encode(hashlib.sha256(piece).digest()).decode()
                more["Upload-Checksum"] = f"sha256 {sha}"
            assert self.path is not None
            sent = await wire.ask("PATCH", self.path, {**headers, **more}, piece)
            if sent.status != 204:
                raise Cut(f"PATCH answered {sent.status} {sent.code}")
            offset = int(sent.headers["upload-offset"])

    async def _offset(self, wire: Wire, headers: dict[str, str]) -> int:
        """Return where the upload stands; create one where there is none yet, or none any more."""
        if self.path is not None:
            seen = await wire.ask("HEAD", self.path, headers)
            if seen.status == 200:
                return int(seen.headers["upload-offset"])
            if seen.status not in (403, 404, 410):
                raise Cut(f"HEAD answered {seen.status}")
            self.path = None
        content = self.content
        values = {"photo_id": self.photo_id, "sha256": hashlib.sha256(content).hexdigest()}
        metadata = ",".join(
            f"{name} {base64.b64encode(text.encode()).decode()}" for name, text in values.items()
        )
        made = await wire.ask(
            "POST",
            "/files",
            {**headers, "Upload-Length": str(len(content)), "Upload-Metadata": metadata},
        )
        if made.status != 201:
            raise Cut(f"creating an upload answered {made.status} {made.code}")
        self.path = "/files/" + made.headers["location"].rpartition("/")[2]
        return int(made.headers.get("upload-offset", 0))

    def is_proved_by(self, receipt: dict[str, Any], keys: dict[str, Ed25519PublicKey]) -> bool:
        """Whether a receipt is signed by one of the keys and speaks of these very bytes."""
        signed = {name: value for name, value in receipt.items() if name != "signature"}
        text = json.dumps(signed, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        signature = base64.urlsafe_b64decode(receipt["signature"] + "==")
        try:
            keys[receipt["kid"]].verify(signature, text.encode())
        except (InvalidSignature, KeyError):
            return False
        content = self.content
        return (receipt["photo_id"], receipt["sha256"], receipt["size"]) == (
            self.photo_id,
            hashlib.sha256(content).hexdigest(),
            len(content),
        )


_JPEG = base64.b64decode(
    "/9j/4AAQSkZJRgABAQEAYABgAAD/2wBDAAgGBgcGBQgHBwcJCQgKDBQNDAsLDBkSEw8UHRofHh0aHBwgJC4nICIsIxwcKDcpLDAx"
    "NDQ0Hyc5PTgyPC4zNDL/wAALCAABAAEBAREA/8QAHwAAAQUBAQEBAQEAAAAAAAAAAAECAwQFBgcICQoL/8QAtRAAAgEDAwIEAwUF"
    "BAQAAAF9AQIDAAQRBRIhMUEGE1FhByJxFDKBkaEII0KxwRVS0fAkM2JyggkKFhcYGRolJicoKSo0NTY3ODk6Q0RFRkdISUpTVFVW"
    "V1hZWmNkZWZnaGlqc3R1dnd4eXqDhIWGh4iJipKTlJWWl5iZmqKjpKWmp6ipqrKztLW2t7i5usLDxMXGx8jJytLT1NXW19jZ2uHi"
    "4+Tl5ufo6erx8vP09fb3+Pn6/9oACAEBAAA/APn+v//Z"
)
