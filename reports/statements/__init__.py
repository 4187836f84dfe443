"""Statements over days: what a contract brought and cost, what people earned and are due."""
