"""What an administrator sets from a day on: working-time rules, prices, how demand is reckoned.

Its stored form; a member left out has its default:

    {"rules": {"daily_rest_s": 39600, …}, "night": {"starts_min": 1380, "ends_min": 360},
     "weights": {"shortage": 10, …}, "forecast": {"history_weeks": 13, …}, "notice_days": 14,
     "week_starts_on": 0, "prices": {"lift": 150}}

`prices` are per cent of the price of a missing person-minute, by skill. A change to a published roster less
than `notice_days` ahead is one at short notice. The defaults suit an eight-hour day and belong to no country:
a company enters what its law and its agreements say.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import msgspec

from scheduler.rosters.forecast import ForecastRules
from scheduler.rosters.hours import Night
from scheduler.rosters.problem import Rules, Weights


@dataclass(frozen=True, slots=True)
class RuleSet:
    rules: Rules = field(default_factory=Rules)
    night: Night = field(default_factory=Night)
    weights: Weights = field(default_factory=Weights)
    forecast: ForecastRules = field(default_factory=ForecastRules)
    notice_days: int = 14
    week_starts_on: int = 0
    """0 is Monday: rosters begin on this day, and so do the weeks that the rules speak of."""
    prices: dict[str, int] = field(default_factory=dict)


DEFAULT = RuleSet()


def from_stored(body: dict[str, Any]) -> RuleSet:
    """Return what a stored body says; raises `msgspec.ValidationError` where it is none of ours."""
    return msgspec.convert(body, RuleSet)


def to_stored(rule_set: RuleSet) -> dict[str, Any]:
    """Return the stored form, every member written out."""
    stored: dict[str, Any] = msgspec.to_builtins(rule_set)
    return stored
