"""The simulated phones themselves: what they wait for after a restore, and for how long at rest."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.chaos import phones
from tests.chaos.device import Device

WITHHELD, WITHHELD_LATER, PROVED = "withheld", "withheld later", "proved"
RESTORED = {"epoch": "second", "forget_upto": 2}
"""The backup held what the phone had sent up to its second intent."""


@pytest.fixture
def device(tmp_path: Path) -> Iterator[Device]:
    """A phone that declared three photos in the first epoch, one after the other; none is waited for."""
    before = Device("phone", 0, {}, tmp_path)
    names = (PROVED, WITHHELD, WITHHELD_LATER)
    before.journal.append({"k": "epoch", "epoch": "first"})
    for seq, name in enumerate(names, 1):
        data = {"visit_id": "visit", "photo_id": name}
        intent = {"id": name, "seq": seq, "type": "photo.add", "data": data}
        received: dict[str, Any] = {"k": "received", "photo_id": name}
        before.journal.append(
            {"k": "photo", "photo_id": name, "visit_id": "visit", "size": 300, "like": ""},
            {"k": "intent", "intent": intent, "sha256": ""},
            {"k": "acked", "of": [[seq, name, "applied"]]},
            received if name == PROVED else received | {"by": "nobody"},
        )
    before.journal.close()
    after = Device("phone", 0, {}, tmp_path)
    yield after
    after.journal.close()


def waits_for(device: Device) -> set[str]:
    return {photo_id for photo_id, snap in device.photos.items() if not snap.is_received}


def test_after_a_restore_a_phone_waits_for_what_it_will_be_told_again(device: Device) -> None:
    """A declaration that the backup held has its outcome already, and a withheld photo gets no receipt."""
    assert waits_for(device) == set()
    device._hear_of_epoch(RESTORED)
    assert list(device.outbox) == [WITHHELD_LATER]
    assert waits_for(device) == {PROVED, WITHHELD_LATER}


def test_a_phone_that_dies_after_a_restore_waits_for_the_same(device: Device) -> None:
    device._hear_of_epoch(RESTORED)
    again = Device("phone", 0, {}, device.folder)
    assert waits_for(again) == waits_for(device)
    assert list(again.outbox) == list(device.outbox)
    again.journal.close()


async def test_a_server_that_hangs_does_not_keep_a_phone_at_rest(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(phones, "PATIENCE_S", 0.01)
    with pytest.raises(TimeoutError):
        await phones._insist(asyncio.Future)
