"""Customers told that somebody comes later than was promised."""
