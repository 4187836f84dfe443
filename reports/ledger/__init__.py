"""Figures from the cost ledger beyond its sums: who bore the cost, and what contracts leave."""
