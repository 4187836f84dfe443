"""What comes of placing a visit, as a dispatcher would say it, in every language."""

from fsm.languages import by_language
from scheduler.lengths import length
from scheduler.linking import Breach
from scheduler.placing import Code, Consequence, of_breach

_WORDS = by_language("scheduler/messages", "place")


def consequence_sentence(consequence: Consequence, language: str) -> str:
    text = _WORDS[language][consequence.code]
    if consequence.code is Code.PROMISE and consequence.minutes < 0:
        text = _WORDS[language]["promise_early"]
    said = length(abs(consequence.minutes), language)
    sentence = text.format(length=said, what=consequence.what)
    return f"{consequence.who}: {sentence}" if consequence.who else sentence


def breach_sentence(breach: Breach, first: str, language: str) -> str:
    """Return what is not kept of a link, told of its second job."""
    return consequence_sentence(of_breach(breach, first, is_second=True), language)
