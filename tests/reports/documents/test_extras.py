"""The extras: a seal that a flipped bit breaks, and an e-invoice whose sums are those of the page."""

import asyncio
from datetime import UTC, date, datetime, timedelta
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    pkcs12,
)

from fsm.settings import SealSettings
from reports.documents.composing import typeset
from reports.documents.drawing import draw
from reports.documents.einvoice import Parties, embed, write_cii
from reports.documents.kinds import DocumentKind
from reports.documents.sealing import FIELD, SealNotSetUp, seal
from reports.documents.snapshot import Snapshot
from tests.reports.documents.examples import PHOTOS, job_content, snapshot
from tests.reports.documents.office import text_of


def certificate(folder: Path) -> tuple[SealSettings, bytes]:
    """Return a seal of a company that certifies itself, and its certificate."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.ORGANIZATION_NAME, "Lift & Co")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(7)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=365))
        .add_extension(
            x509.KeyUsage(True, True, False, False, False, False, False, False, False),
            critical=True,
        )
        .sign(key, hashes.SHA256())
    )
    file = folder / "seal.p12"
    file.write_bytes(
        pkcs12.serialize_key_and_certificates(
            b"seal", key, made, None, BestAvailableEncryption(b"pass")
        )
    )
    return SealSettings(file, "pass"), made.public_bytes(Encoding.DER)


async def test_a_seal_is_appended_trusted_and_broken_by_a_flipped_bit(tmp_path: Path) -> None:
    pytest.importorskip("pyhanko")
    from asn1crypto.x509 import Certificate
    from pyhanko.pdf_utils.reader import PdfFileReader
    from pyhanko.sign.validation import async_validate_pdf_signature
    from pyhanko_certvalidator import ValidationContext

    pdf = draw(typeset(snapshot(DocumentKind.ACT, job_content())).page, PHOTOS)
    settings, der = certificate(tmp_path)
    sealed = await asyncio.to_thread(seal, pdf, settings, "ACT-17")
    assert sealed.startswith(pdf), "the unsigned bytes stay as they were"

    async def judged(content: bytes) -> Any:
        (signature,) = PdfFileReader(BytesIO(content)).embedded_signatures
        assert signature.field_name == FIELD
        trusted = ValidationContext(trust_roots=[Certificate.load(der)])
        return await async_validate_pdf_signature(signature, trusted)

    good = await judged(sealed)
    assert good.intact
    assert good.valid
    assert good.trusted
    flipped = bytearray(sealed)
    place = sealed.index(b"%PDF") + 9
    flipped[place] ^= 1
    assert not (await judged(bytes(flipped))).intact

    for wrong in (None, SealSettings(settings.file, "other")):
        with pytest.raises(SealNotSetUp):
            await asyncio.to_thread(seal, pdf, wrong, "ACT-17")


def invoice() -> Snapshot:
    line = {"about": "Двери & лифт", "vat_category": "S", "vat_rate": "20", "payer": "customer",
            "posted_on": "2026-03-23", "work_order": "W-1"}  # fmt: skip
    return snapshot(
        DocumentKind.INVOICE,
        {
            "company": "Lift & Co",
            "customer": {"number": "C-1", "name": "Hôtel Œuvre", "tax_number": "FR12345678901"},
            "first_on": "2026-03-01", "last_on": "2026-03-31", "currency": "EUR",
            "vat_rate": "20", "vat_category": "S",
            "lines": [
                {**line, "kind": "labour", "quantity": "2.0000", "unit": "h",
                 "unit_price": "60.0000", "net": "120.00"},
                {**line, "kind": "parts", "quantity": "3.0000", "unit": "pc",
                 "unit_price": "3.3333", "net": "10.00"},
            ],
            "net": "130.00", "vat": "26.00", "gross": "156.00", "unpriced": 0,
        },
    )  # fmt: skip


def test_an_e_invoice_passes_the_schema_and_has_the_sums_of_the_page() -> None:
    pytest.importorskip("drafthorse")
    facturx = pytest.importorskip("facturx")
    from lxml import etree

    frozen = invoice()
    parties = Parties("FR98765432109", "FR", "FR", due_on=date(2026, 4, 30))
    cii = write_cii(frozen, parties)  # refused by the schema, it would raise
    tree = etree.fromstring(cii)
    found = {
        name: [one.text for one in tree.iter(f"{{*}}{name}")]
        for name in (
            "LineTotalAmount",
            "GrandTotalAmount",
            "TaxTotalAmount",
            "BilledQuantity",
            "Name",
        )
    }
    assert [float(one) for one in found["LineTotalAmount"]] == [120, 10, 130]
    assert [float(one) for one in found["GrandTotalAmount"]] == [156]
    assert [float(one) for one in found["TaxTotalAmount"]] == [26]
    assert "Hôtel Œuvre" in found["Name"]

    pdf = draw(typeset(frozen).page, {})
    said = text_of(pdf)
    for sum_of_page in ("130.00", "26.00", "156.00"):
        assert sum_of_page in said
    whole = embed(pdf, cii)
    name, inside = facturx.get_facturx_xml_from_pdf(whole, check_xsd=True)
    assert name == "factur-x.xml"
    assert etree.tostring(etree.fromstring(inside), method="c14n") == etree.tostring(
        tree, method="c14n"
    )
