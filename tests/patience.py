"""How long tests wait for what must come: so long that no busy machine fails one."""

PATIENCE_S = 300
"""After which something is taken to hang. Nothing that is well is told from what is not by it."""
