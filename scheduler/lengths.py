"""How long something takes, as a dispatcher would say it: 45 min, 2 h, 19 h 19 min."""

from fsm.languages import by_language

_WORDS = by_language("scheduler/messages", "length")


def length(minutes: int, language: str) -> str:
    """Return whole minutes in words; `language` is one of `LANGUAGES`, any other raises `KeyError`."""
    hours, left = divmod(minutes, 60)
    kind = "minutes" if hours == 0 else "hours" if left == 0 else "hours_minutes"
    return _WORDS[language][kind].format(hours=hours, minutes=minutes if hours == 0 else left)


def minutes_of(seconds: int) -> int:
    """Return begun minutes, as nobody wants to hear of seconds."""
    return -(-seconds // 60)
