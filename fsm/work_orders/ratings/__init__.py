"""What customers say of a visit: rows are only added, the last one counts, a poor one asks for a call."""
