"""What people ask for: themes of opening posts, how sure they are, and commit messages.

Belongs here: rows of the marts of themes for the page. Does not belong here: the pictures
(`assets.publish.theme_pictures`) and names in words (`theme_words`).
"""

from collections.abc import Mapping, Sequence

from assets.publish import theme_words, words
from assets.publish.published import Published, Row
from assets.study.features import PLATFORM_NAMES, PLATFORMS

Shares = Mapping[tuple[str, str], float]
# Of the paper's subset where it is known apart, else of all.
SLICES = (("repository_class", "top_cut"), ("all", "all"))
OF_CLASSES = ("precision", "recall", "f1")
SUBSTANTIVE_CLAIM = "substantive_messages_"
MOST_CONDITIONS = 12


def themes(published: Published, has_paper: bool) -> Row:
    """All that the page tells of themes; empty lists where nothing is known."""
    claims = published.newest_if_any("mart_study_rerun")
    rows = published.newest_if_any("mart_theme_prevalence")
    shown = headlines(rows)
    paper = of_paper(claims) if has_paper else {}
    agreement = published.newest_if_any("mart_theme_agreement")
    return {
        "estimates": list(theme_words.ESTIMATES.values()),
        "lines": _lines(shown, paper, planted_shares(claims)),
        "made": _made(shown),
        "limits": _limits(shown),
        "coders": _coders(rows),
        "people": _people(agreement),
        "machines": _machines(agreement),
        "frame": _frame(published.newest_if_any("mart_theme_frame")),
        "messages": _messages(published.newest_if_any("mart_message_quality"), claims, has_paper),
    }


def headlines(rows: Sequence[Row]) -> list[Row]:
    """Rows of the reference coder, of each platform's first slice that has any."""
    found: list[Row] = []
    for platform in PLATFORMS:
        for slice_, value in SLICES:
            own = [
                row
                for row in rows
                if row["is_reference"]
                and row["platform"] == platform
                and (row["slice"], row["slice_value"]) == (slice_, value)
            ]
            if own:
                found += own
                break
    return found


def of_paper(claims: Sequence[Row]) -> dict[tuple[str, str], float]:
    """Platform and theme to the published share."""
    return _claimed(claims, "paper_value")


def planted_shares(claims: Sequence[Row]) -> dict[tuple[str, str], float]:
    """Platform and theme to the share that synthetic data have."""
    return _claimed(claims, "planted_value")


def _claimed(claims: Sequence[Row], column: str) -> dict[tuple[str, str], float]:
    told = {row["claim"]: row[column] for row in claims if row[column] is not None}
    return {name: told[claim] for name, claim in theme_words.CLAIMS.items() if claim in told}


def _lines(rows: Sequence[Row], paper: Shares, planted: Shares) -> list[Row]:
    known = {(row["platform"], row["theme"]): row for row in rows}
    return [
        {
            "kind": platform,
            "label": label,
            "meaning": theme_words.MEANINGS[theme],
            "platform": PLATFORM_NAMES[platform],
            "count": row["primary_count"],
            "values": [_estimate(row, name) for name in theme_words.ESTIMATES],
            "paper": _share(paper.get((platform, theme))),
            "planted": _share(planted.get((platform, theme))),
        }
        for platform in PLATFORMS
        for theme, label in theme_words.THEMES.items()
        if (row := known.get((platform, theme))) is not None
    ]


def _share(value: float | None) -> str | None:
    return None if value is None else words.share(value)


def _estimate(row: Row, name: str) -> Row:
    low, high = row[f"{name}_low"], row[f"{name}_high"]
    interval = None if low is None or high is None else f"{words.share(low)} to {words.share(high)}"
    return {"value": words.share(row[f"{name}_share"]), "interval": interval}


def _made(rows: Sequence[Row]) -> list[Row]:
    """Of whose messages, and how many people looked at, by platform."""
    first = {row["platform"]: row for row in reversed(rows)}
    return [
        {
            "platform": PLATFORM_NAMES[platform],
            "count": row["message_count"],
            "verified": row["verified_count"],
            "abstained": row["abstained_count"],
            "is_top": row["slice"] == "repository_class",
            "coder": theme_words.coder(row["coder"]),
            "codebook": row["codebook_version"],
            "policy": "of everybody"
            if row["bot_policy"] == "none"
            else f"without those of accounts {words.POLICY_LABELS[row['bot_policy']][1]}",
        }
        for platform in PLATFORMS
        if (row := first.get(platform)) is not None
    ]


def _limits(rows: Sequence[Row]) -> list[str]:
    """What limits the reading, each once."""
    return list(dict.fromkeys(words.one_line(row["reason"], 300) for row in rows if row["reason"]))


def _coders(rows: Sequence[Row]) -> Row:
    """The same shares by each machine coder, where there are several."""
    names = list(dict.fromkeys(row["coder"] for row in rows if row["slice"] == "all"))
    known = {
        (row["platform"], row["theme"], row["coder"]): row for row in rows if row["slice"] == "all"
    }
    if len(names) < 2:
        return {"names": [], "lines": []}
    return {
        "names": [theme_words.coder(name) for name in names],
        "lines": [
            {
                "kind": platform,
                "platform": PLATFORM_NAMES[platform],
                "label": label,
                "values": [
                    words.share(row["uncorrected_share"]) if row else words.UNKNOWN
                    for row in (known.get((platform, theme, name)) for name in names)
                ],
            }
            for platform in PLATFORMS
            for theme, label in theme_words.THEMES.items()
        ],
    }


def _people(rows: Sequence[Row]) -> list[Row]:
    """How far people agree with each other, and each machine with them."""
    return [
        {
            "platform": PLATFORM_NAMES.get(row["platform"], "Both"),
            "sample": row["sample"],
            "pair": f"{theme_words.coder(row['coder'])} and {theme_words.coder(row['other_coder'])}"
            if row["pair"] != "people"
            else "people among themselves",
            "measure": theme_words.MEASURES[row["measure"]],
            "value": _plain(row["value"], row["measure"]),
            "interval": None
            if row["value_low"] is None or row["value_high"] is None
            else f"{_plain(row['value_low'], row['measure'])} to"
            f" {_plain(row['value_high'], row['measure'])}",
            "count": row["message_count"],
            "reason": row["reason"],
        }
        for row in rows
        if row["measure"] in theme_words.MEASURES and row["theme"] is None
    ]


def _plain(value: float | None, measure: str) -> str:
    if value is None:
        return words.UNKNOWN
    return words.share(value) if measure == "agreement" else f"{value:.2f}"


def _machines(rows: Sequence[Row]) -> list[Row]:
    """Precision, recall and F1 of each machine coder and theme against people."""
    known = {
        (row["platform"], row["coder"], row["theme"], row["measure"]): row
        for row in rows
        if row["pair"] == "machine" and row["theme"] is not None
    }
    names = dict.fromkeys((platform, coder) for platform, coder, _, _ in known)
    return [
        {
            "kind": platform,
            "platform": PLATFORM_NAMES.get(platform, "Both"),
            "coder": theme_words.coder(coder),
            "label": label,
            "values": [
                _plain(None if row is None else row["value"], measure)
                for measure in OF_CLASSES
                for row in [known.get((platform, coder, theme, measure))]
            ],
        }
        for platform, coder in names
        for theme, label in theme_words.THEMES.items()
    ]


def _frame(rows: Sequence[Row]) -> list[Row]:
    """What became of all messages, by platform."""
    found = []
    for platform in PLATFORMS:
        counts: dict[str, int] = {}
        for row in rows:
            if row["platform"] == platform:
                counts[row["state"]] = counts.get(row["state"], 0) + row["message_count"]
        total = sum(counts.values())
        order = {state: place for place, state in enumerate(theme_words.STATES)}
        for state in sorted(counts, key=lambda one: order.get(one, len(order))):
            found.append(
                {
                    "kind": platform,
                    "platform": PLATFORM_NAMES[platform],
                    "label": theme_words.STATES.get(state, state),
                    "count": counts[state],
                    "share": counts[state] / total,
                }
            )
    return found


def _messages(rows: Sequence[Row], claims: Sequence[Row], has_paper: bool) -> Row:
    """Commit messages by kind, and which conditions of the rule decide most."""
    paper = {
        row["claim"].removeprefix(SUBSTANTIVE_CLAIM): row
        for row in claims
        if row["claim"].startswith(SUBSTANTIVE_CLAIM)
    }
    lines = []
    conditions: list[Row] = []
    for platform in PLATFORMS:
        own: list[Row] = []
        for slice_, value in SLICES:
            own = own or [
                row
                for row in rows
                if row["platform"] == platform
                and (row["slice"], row["slice_value"]) == (slice_, value)
            ]
        total = sum(row["commit_count"] for row in own)
        for kind, label in theme_words.KINDS.items():
            count = sum(row["commit_count"] for row in own if row["kind"] == kind)
            claim = paper.get(platform) if kind == "substantive" else None
            if own:
                lines.append(
                    {
                        "kind": platform,
                        "platform": PLATFORM_NAMES[platform],
                        "label": label,
                        "count": count,
                        "share": count / total,
                        "paper": _share(claim["paper_value"]) if claim and has_paper else None,
                        "planted": _share(claim["planted_value"]) if claim else None,
                    }
                )
        most = sorted(own, key=lambda row: (-row["commit_count"], row["condition"]))
        conditions += [
            {
                "kind": platform,
                "platform": PLATFORM_NAMES[platform],
                "label": theme_words.KINDS.get(row["kind"], row["kind"]),
                "condition": str(row["condition"]).replace("_", " "),
                "count": row["commit_count"],
                "share": row["share"],
            }
            for row in most[:MOST_CONDITIONS]
        ]
    return {"lines": lines, "conditions": conditions}
