"""Backups that have been tried, and restores to a moment.

A backup folder:

    base/20261121T234500Z/data/         the database's files, as pg_basebackup wrote them
    base/20261121T234500Z/backup.json   what is in it; written last, once it was tried
    wal/                                the log since, written by `fsm backup --follow` (or archive_command)
    blobs/<tenant>/objects/aa/bb/…      photos and documents, shared by all backups
    blobs/<tenant>/known*.jsonl         what was known of them: kind, who sent them, receipts

It holds what the database holds, password hashes included, and none of the settings: FSM_SECRET, FSM_FEED_KEY
and FSM_RECEIPT_SEED are kept elsewhere, and without them phones and receipts of before are worth nothing.
"""
