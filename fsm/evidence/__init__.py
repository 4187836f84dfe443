"""Bytes and proofs: where photos and documents lie, whether they are what they claim, who
received them.

Nothing here knows a work order. Rows that mean something (`photo`, `signature`) belong to
`fsm.work_orders`.
"""
