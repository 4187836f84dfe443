"""Papers people keep: each is a pure function of a frozen snapshot and a template, and never changes."""
