"""Warranty claims: what is put before a manufacturer, with its proofs, until the money has come back."""
