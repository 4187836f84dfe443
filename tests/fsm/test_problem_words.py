"""Every refusal that people can meet is said in every language; which may stay English is written here."""

import ast
from collections.abc import Iterator, Mapping
from itertools import product
from pathlib import Path

import pytest

import fsm.__main__
import fsm.app
import fsm.worker  # noqa: F401  # together they know every problem
from fsm.languages import FIRST, LANGUAGES, plain_sentences
from fsm.problem_words import FOLDER, in_language, language_asked, say
from fsm.problems import Invalid, Problem, all_problems

CHECKOUT = Path(__file__).parents[2]
PACKAGES = ("fsm", "mobile_api", "reports", "scheduler")
OTHERS = [language for language in LANGUAGES if language != FIRST]

#: What no page and no phone shows, so that a program's author reads it: a folder or a file → why.
PROGRAMS_READ: Mapping[str, str] = {
    "fsm/contracts/coverage.py": "the API alone writes contracts",
    "fsm/contracts/coverage_rules.py": "the API alone writes contracts",
    "fsm/contracts/payers.py": "the API alone writes rules of who pays",
    "fsm/contracts/queries.py": "the API alone writes contracts",
    "fsm/contracts/tables.py": "the API alone writes contracts",
    "fsm/evidence/blobs.py": "says of bytes what the sender's program has to know",
    "fsm/evidence/daily_roots.py": "for who verifies history by program",
    "fsm/evidence/local_store.py": "says of uploads what the sender's program has to know",
    "fsm/evidence/published_routes.py": "for who verifies receipts by program",
    "fsm/evidence/s3_store.py": "says of uploads what the sender's program has to know",
    "fsm/maintenance": "the API alone writes maintenance plans",
    "mobile_api/blob_access.py": "names a file by its hash",
    "mobile_api/compat": "other sync clients read these",
    "mobile_api/concatenation.py": "says of uploads what the phone's program has to know",
    "mobile_api/conformance": "a sync client's author reads these",
    "mobile_api/encodings.py": "says of bytes what the phone's program has to know",
    "mobile_api/feed_tokens.py": "the phone's program begins anew",
    "mobile_api/intents.py": "an intent that cannot be read is the program's mistake",
    "mobile_api/tus": "upload clients read these",
    "mobile_api/upload_creation.py": "says of uploads what the phone's program has to know",
    "mobile_api/upload_routes.py": "says of uploads what the phone's program has to know",
    "mobile_api/uploads.py": "says of uploads what the phone's program has to know",
    "mobile_api/writers.py": "says of uploads what the phone's program has to know",
    "reports/claims": "the API alone makes claims",
    "reports/formulae": "the API alone writes rules of pay",
    "reports/packs": "the API alone asks for packs of evidence",
    "reports/queries.py": "names a cut by id, which pages only take from lists",
    "reports/statements": "the API alone makes statements of pay",
    "scheduler/problem.py": "of a planner's problem as a file",
    "scheduler/replaying.py": "the API alone makes a plan again",
    "scheduler/weights.py": "the API alone sets weights",
}

#: First arguments that are sentences made elsewhere: (file, expression). What makes them is read too, says
#: its sentence in every language among the facts, or is a program's.
MADE_ELSEWHERE = {
    ("fsm/assets/passports.py", "why"),
    ("fsm/database.py", "missing"),
    ("fsm/imports/csv_file.py", "_sentence(error, began)"),
    ("fsm/imports/options.py", "sentence"),
    ("fsm/work_orders/closing_sentences.py", "detail"),
    ("fsm/work_orders/request_decisions.py", "missing.detail"),
    ("fsm/work_orders/requests.py", "missing.detail"),
    ("mobile_api/routes.py", "str(error)"),  # of a receipt's key, which programs send
    ("scheduler/booking.py", "_no_longer(work_order, day, busy)"),
    ("scheduler/day.py", "found.sentence"),
    ("scheduler/linked_jobs.py", "sentence"),
    ("scheduler/placements.py", "_said(hard)"),
    ("scheduler/rosters/checks.py", "fixed"),  # a roster's own Conflict, no problem
    ("scheduler/rosters/queries.py", "' '.join((one['said']['en'] for one in sentences))"),
}

#: Sentences with nothing of their own between what is filled in: what is filled in is written out.
JOINED = {"A {} {}.", "'data'"}

#: Calls beside problems whose argument at that place becomes a problem's sentence.
MAKERS = {
    "InvalidCalendar": 1,
    "InvalidPattern": 1,
    "InvalidServiceLevel": 1,
    "TemplateError": 2,
    "_invalid": 1,
    "found": 1,
    "refusal": 2,
    "refuse": 1,
    "refused": 0,
}


def _alternatives(node: ast.expr, known: Mapping[str, list[ast.expr]]) -> list[str]:
    """Return what a sentence may be, "{}" for each value; nothing where it is made elsewhere."""
    match node:
        case ast.Constant(value=str(text)):
            return [text.replace("{", "(").replace("}", ")")]
        case ast.JoinedStr(values=values):
            return ["".join(one) for one in product(*(_alternatives(v, known) for v in values))]
        case ast.FormattedValue(value=ast.IfExp() as choice):
            return _alternatives(choice, known) or ["{}"]
        case ast.FormattedValue():
            return ["{}"]
        case ast.BinOp(op=ast.Add(), left=left, right=right):
            ends = _alternatives(right, known) or ["{}"]
            return [a + b for a in _alternatives(left, known) for b in ends]
        case ast.IfExp(body=body, orelse=orelse):
            return _alternatives(body, known) + _alternatives(orelse, known)
        case ast.Name(id=name):
            return [one for each in known.get(name, ()) for one in _alternatives(each, {})]
    return []


def _sentences(file: Path) -> Iterator[tuple[int, str, list[str]]]:
    """Yield each sentence that a file refuses with: its line, its expression, and what it may be."""
    kinds = {kind.__name__ for kind in all_problems()}
    tree = ast.parse(file.read_text("utf-8"))
    scopes = [n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)]
    assigned: dict[ast.AST, dict[str, list[ast.expr]]] = {}
    for scope in scopes:
        for node in ast.walk(scope):
            if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
                of_scope = assigned.setdefault(scope, {})
                of_scope.setdefault(node.targets[0].id, []).append(node.value)
    seen = set()
    for scope in (*reversed(scopes), tree):  # the innermost first
        for node in ast.walk(scope):
            if id(node) in seen:
                continue
            if isinstance(node, ast.Dict):  # {"at": …, "detail": …}
                seen.add(id(node))
                for key, value in zip(node.keys, node.values, strict=True):
                    if isinstance(key, ast.Constant) and key.value == "detail":
                        for said in _alternatives(value, assigned.get(scope, {})):
                            yield node.lineno, "", [said]
            if not isinstance(node, ast.Call):
                continue
            name = node.func.attr if isinstance(node.func, ast.Attribute) else None
            name = node.func.id if isinstance(node.func, ast.Name) else name
            is_value = name == "ValueError" and file.name.endswith(("routes.py", "http.py"))
            place = 0 if name in kinds or is_value else MAKERS.get(name or "")
            if place is None or len(node.args) <= place:
                continue
            seen.add(id(node))
            said = node.args[place]
            expression = ast.unparse(said) if name in kinds else ""
            yield node.lineno, expression, _alternatives(said, assigned.get(scope, {}))


def _files() -> list[Path]:
    found = (file for package in PACKAGES for file in (CHECKOUT / package).rglob("*.py"))
    return sorted(f for f in found if not {"node_modules", "demo", "commands"} & set(f.parts))


def _reader(file: str) -> str | None:
    return next((why for place, why in PROGRAMS_READ.items() if _is_in(file, place)), None)


def _is_in(file: str, place: str) -> bool:
    return file == place or file.startswith(f"{place}/")


def _is_said(sentence: str, language: str) -> bool:
    """Whether a sentence is said in a language with whatever is filled in: an id, or a word of ours."""
    filled = (sentence.replace("{}", f"{value}") for value in ("7f3a", "model"))
    return any(say(one, language) != one for one in filled)


@pytest.mark.parametrize("language", OTHERS)
def test_every_problem_has_a_title_in_every_language(language: str) -> None:
    first, said = plain_sentences(FOLDER, FIRST), plain_sentences(FOLDER, language)
    for kind in (Problem, *all_problems()):
        assert kind.code in {"problem"} or first[f"title.{kind.code}"] == kind.title
        assert said[f"title.{kind.code}"] != first[f"title.{kind.code}"]


def test_every_refusal_that_people_meet_is_said_in_every_language() -> None:
    lacking, elsewhere = [], set()
    for path in _files():
        file = str(path.relative_to(CHECKOUT))
        if _reader(file):
            continue
        for line, expression, sentences in _sentences(path):
            if expression and not sentences:
                elsewhere.add((file, expression))
            for sentence in sentences:
                if sentence in JOINED or not any(letter.isalpha() for letter in sentence):
                    continue  # it only joins sentences that are made elsewhere
                missing = [one for one in OTHERS if not _is_said(sentence, one)]
                if missing:
                    lacking.append(f"{file}:{line} {sentence} ({', '.join(missing)})")
    assert not lacking, f"write in {FOLDER}:\n" + "\n".join(lacking)
    assert elsewhere == MADE_ELSEWHERE


def test_every_place_that_may_stay_english_is_there() -> None:
    for place in PROGRAMS_READ:
        assert (CHECKOUT / place).exists(), place


def test_english_sentences_are_their_own_keys() -> None:
    for key, sentence in plain_sentences(FOLDER, FIRST).items():
        if key.startswith("word."):
            assert key == f"word.{sentence}" or key == f"word.{sentence}".replace(" ", "_")
        elif not key.startswith("title."):
            assert key.removesuffix("…").rstrip(", ") == sentence


def test_values_stay_and_words_of_ours_are_said() -> None:
    said = "Cannot schedule a work order that is work done. Allowed: reopen, cancel."
    assert say(said, "ru") == (
        "Нельзя запланировать: наряд в состоянии «работа сделана». Можно: открыть снова, отменить."
    )
    assert say("There is no skill 'open'.", "de") == "Es gibt keine Qualifikation „open“."
    assert say("No model 7f3a.", "ru") == "Модели 7f3a нет."


@pytest.mark.parametrize(
    "unknown",
    [
        "A sentence that nobody wrote.",
        "No thing of any kind was here.",
        "title.conflict",
        "",
        "{name}",
        "x" * 5_000,
    ],
)
def test_what_is_not_ours_stays_as_it_is(unknown: str) -> None:
    assert say(unknown, "ru") == unknown


def test_only_sentences_of_a_problem_change() -> None:
    problem = Invalid(
        "/title: Field required. 1 more in 'errors'.",
        errors=[
            {"at": "/title", "detail": "Field required"},
            {"at": "/level", "detail": "Input should be less than or equal to 5"},
            {"at": "/elsewhere"},
            "Field required",
        ],
        named=["Field required"],
        sentence="Field required",
    ).to_json()
    said = in_language(problem, "de")
    assert said == problem | {
        "title": "Ein Wert ist nicht annehmbar",
        "detail": "/title: wird gebraucht. Weitere Fehler: 1.",
        "errors": [
            {"at": "/title", "detail": "wird gebraucht"},
            {"at": "/level", "detail": "höchstens 5"},
            {"at": "/elsewhere"},
            "Field required",
        ],
    }
    assert in_language(problem, "en") == problem


def test_what_facts_say_in_every_language_is_said_in_the_detail() -> None:
    late = {"en": "It is late.", "ru": "Поздно.", "de": "Zu spät."}
    full = {"en": "It is full: there.", "ru": "Занято.", "de": "Voll."}
    problem = {
        "code": "reason-needed",
        "title": "This needs a reason",
        "detail": "It is late. It is full: there. Give a reason.",
        "consequences": [{"said": late}, {"said": full}],
    }
    assert in_language(problem, "ru")["detail"] == "Поздно. Занято. Укажите причину."
    one = problem | {
        "detail": "W-1: It is late. Give a reason.",
        "consequences": [{"number": "W-1", "said": late}],
    }
    assert in_language(one, "de")["detail"] == "W-1: Zu spät. Geben Sie einen Grund an."


@pytest.mark.parametrize(
    ("header", "language"),
    [
        (None, "en"),
        ("", "en"),
        ("ru", "ru"),
        ("de-AT,en;q=0.5", "de"),
        ("fr,de;q=0.2", "de"),
        ("fr", "en"),
    ],
)
def test_the_language_that_is_asked_for(header: str | None, language: str) -> None:
    assert language_asked(header) == language
