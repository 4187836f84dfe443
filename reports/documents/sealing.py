"""The company's seal on a document: a PAdES B-B signature, appended to bytes that stay as they are.

Needs the extra `sign` (pyHanko). The seal's certificate and key are a PKCS#12 file of the installation.
"""

from io import BytesIO
from typing import Final

from fsm.problems import Problem
from fsm.settings import SealSettings

FIELD: Final = "Seal"


class SealNotSetUp(Problem):
    """The installation has no seal, or not what is needed to use one."""

    code, status, title = "seal-not-set-up", 409, "There is no seal"


def seal(pdf: bytes, settings: SealSettings | None, reason: str) -> bytes:
    """Return the document with the seal appended. Takes as long as many pages: call it in a thread."""
    if settings is None:
        raise SealNotSetUp("The operator sets FSM_SEAL_FILE and FSM_SEAL_PASSWORD first.")
    try:
        from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
        from pyhanko.sign import signers
        from pyhanko.sign.fields import SigSeedSubFilter
    except ImportError:
        raise SealNotSetUp("The operator installs the extra 'sign' first.") from None
    signer = signers.SimpleSigner.load_pkcs12(  # type: ignore[no-untyped-call]
        str(settings.file), passphrase=settings.password.encode()
    )
    if signer is None:
        raise SealNotSetUp("The seal cannot be opened: its file or password is not right.")
    metadata = signers.PdfSignatureMetadata(
        field_name=FIELD,
        reason=reason,
        subfilter=SigSeedSubFilter.PADES,
        md_algorithm="sha256",
    )
    out = BytesIO()
    signers.PdfSigner(metadata, signer=signer).sign_pdf(
        IncrementalPdfFileWriter(BytesIO(pdf)), output=out
    )
    return out.getvalue()
