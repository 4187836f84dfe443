"""The SQL of a pull: one call looks at the device's rights, the feed and the page in one snapshot.

PostgreSQL puts the changes together as they go over the wire, so that a page is one value and not a
thousand rows, and it stops at the page's limits. The statement stands in the database, as the function
`sync_pull` of migration 0011: a function can bind itself to the tenant before it reads, and that saves the
round trips of a transaction around it. Whoever changes it writes a migration that replaces it.
"""

PULL = "select * from sync_pull($1, $2, $3, $4, $5, $6, $7, $8, $9)"
"""$1 tenant, $2 device, $3 hash of its token or null, $4–$6 scopes of the feed token with where each was
read and where its first reading began, $7 changes and $8 bytes at most, $9 the only
collection or null → one row, or none for a stranger's token.

A scope read for the first time leaves out what it no longer grants: the device never had it.
"""
