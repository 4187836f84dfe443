"""Checklists and facts for the properties of the verdict, small enough for rules and photos to meet."""

from typing import Any

from hypothesis import strategies as st

from fsm.checklists.templates import Template, publish
from fsm.work_orders.closing_facts import (
    Answer,
    Decline,
    Facts,
    Photo,
    PhotoFlag,
    PhotoState,
    Signature,
    Waiver,
)

VISITS = st.sampled_from(["v1", "v2"])
RULES: dict[str, list[str]] = {
    "visible_if": ["has(answers.ok) && answers.ok.value", "has(job.k) && job.k == 1.0",
                   "has(job.k) && job.k > 1.0"],
    "required_if": ["has(answers.count) && answers.count.value > 2.0", "!has(asset.old)",
                    "has(answers.sign) && answers.sign.declined"],
    "photos_required": ["has(answers.count) ? answers.count.value : 1.0", "1.0 / 0.0", "-1.0"],
    "constraint": ["has(answers.count)", "has(job.k) && job.k > 1.0"],
}  # fmt: skip
KINDS: dict[str, dict[str, Any]] = {
    "ok": {"kind": "yesno"},
    "count": {"kind": "number", "min": 0, "max": 5, "decimals": 1},
    "cause": {"kind": "choice", "choices": [{"code": "a"}, {"code": "b"}], "multiple": True},
    "note": {"kind": "text", "max_length": 3},
    "before": {"kind": "photo"},
    "film": {"kind": "video", "max_seconds": 60},
    "sign": {"kind": "signature"},
    "hours": {"kind": "meter", "meter": "h"},
    "plate": {"kind": "barcode", "match": "asset"},
}


@st.composite
def templates(draw: st.DrawFn) -> Template:
    items = []
    for name in draw(st.lists(st.sampled_from(sorted(KINDS)), unique=True, max_size=6)):
        item = {"id": name, **KINDS[name], "required": draw(st.booleans())}
        item["scope"] = draw(st.sampled_from(["job", "visit"]))
        item["waiver"] = draw(st.sampled_from(["none", "office"]))
        media = item["kind"] in ("photo", "video")
        if item["kind"] == "signature":
            item["decline"] = draw(st.booleans())
        if media:
            item |= draw(st.sampled_from([{}, {"min": 2}, {"max": 2}, {"min": 1, "max": 3}]))
        for rule in draw(st.sets(st.sampled_from(sorted(RULES)), max_size=2)):
            if rule != ("constraint" if media else "photos_required"):
                item[rule] = draw(st.sampled_from(RULES[rule]))
        items.append(item)
    named = {item["id"] for item in items}
    for item in items:  # rules may only name items of the sheet, and not their own
        for rule in RULES:
            for other in ("ok", "count", "sign"):
                own = other == item["id"] and rule != "constraint"
                if f"answers.{other}" in item.get(rule, "") and (own or other not in named):
                    del item[rule]
    return publish({"template_id": "t", "version": 1, "items": items})


names = st.sampled_from([*sorted(KINDS), "strange/~name"])
values = (
    st.sampled_from(
        [None, True, False, 0, 1, 3, 2.55, 9, "", "ab", "A-1", "TODO", ["a"], ["z"], []]
    )
    | st.builds(
        lambda value, over: {"value": value, "rollover": over}, st.integers(), st.booleans()
    )
    | st.floats()
    | st.text(max_size=4)
    | st.just([[{}]])
)
orders = st.integers(0, 2)
photos = st.builds(
    Photo,
    st.sampled_from(["p1", "p2", "p3", "p4", "p5"]),
    VISITS,
    names,
    st.integers(0, 3),
    st.sampled_from(PhotoState),
    st.sampled_from(["image/jpeg", "video/mp4", "text/html", ""]),
    st.sampled_from([1, 10**9, -1]),
    st.sampled_from([None, 10.0, 90.0, float("nan")]),
    st.lists(st.builds(PhotoFlag, st.just("reused_photo"), st.sampled_from(["", "p9"]))).map(tuple),
)
facts_of_any_kind = st.builds(
    Facts,
    st.integers(0, 9),
    st.none() | VISITS,
    st.lists(st.builds(Answer, names, VISITS, values, orders), max_size=10).map(tuple),
    st.lists(photos, max_size=8).map(tuple),
    st.lists(
        st.builds(
            Signature, st.just("sign"), VISITS, st.sampled_from(["p1", "p2", "p9"]),
            st.sampled_from(["Anna", "", " "]), orders,
        ),
        max_size=3,
    ).map(tuple),
    st.lists(st.builds(Decline, names, VISITS, st.text(max_size=2), orders), max_size=2).map(tuple),
    st.lists(st.builds(Waiver, names, st.just("u"), st.sampled_from("rs")), max_size=2).map(tuple),
    st.sampled_from([{}, {"h": 100.0}]),
    st.sampled_from([frozenset(), frozenset({"A-1", "ab"})]),
    st.just(frozenset()),
    st.dictionaries(st.just("k"), values),
    st.dictionaries(st.just("old"), values),
)  # fmt: skip
