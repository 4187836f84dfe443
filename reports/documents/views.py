"""How documents look over HTTP."""

from datetime import datetime
from uuid import UUID

import msgspec

from reports.documents.queries import Standing


class Withdrawn(msgspec.Struct, frozen=True):
    reason: str
    at: datetime
    by: str


class DocumentLink(msgspec.Struct, frozen=True):
    id: UUID
    number: str


class DocumentView(msgspec.Struct, frozen=True):
    """An issued document. `missing_glyphs` characters could not be drawn; the file shows boxes."""

    id: UUID
    kind: str
    number: str
    state: str
    language: str
    subject_kind: str
    subject_id: UUID | None
    issued_at: datetime
    issued_by: str
    template: str
    renderer: str
    standard: str
    snapshot_sha256: str
    file_sha256: str
    file_size: int
    missing_glyphs: int
    replaces_id: UUID | None
    replaced_by: DocumentLink | None
    withdrawn: Withdrawn | None

    @classmethod
    def of(cls, standing: Standing) -> "DocumentView":
        row, withdrawal = standing.document, standing.withdrawal
        newer = standing.replaced_by_id
        return cls(
            id=row.id,
            kind=row.kind,
            number=row.number,
            state=str(standing.state),
            language=row.language,
            subject_kind=row.subject_kind,
            subject_id=row.subject_id,
            issued_at=row.issued_at,
            issued_by=row.issued_by,
            template=row.template,
            renderer=row.renderer,
            standard=row.standard,
            snapshot_sha256=row.snapshot_sha256.hex(),
            file_sha256=row.file_sha256.hex(),
            file_size=row.file_size,
            missing_glyphs=row.missing_glyphs,
            replaces_id=row.replaces_id,
            replaced_by=(
                None if newer is None else DocumentLink(newer, standing.replaced_by_number or "")
            ),
            withdrawn=(
                None
                if withdrawal is None
                else Withdrawn(withdrawal.reason, withdrawal.withdrawn_at, withdrawal.withdrawn_by)
            ),
        )


class DocumentPage(msgspec.Struct, frozen=True):
    items: list[DocumentView]
    next: str | None
