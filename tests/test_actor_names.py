"""What names say: by their words, never by a part of one."""

import math
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assets.actors.names import LONGEST, evidence_of, judged, words_of
from assets.actors.vocabulary import _GROUPS, AT_END, GIVEN_NAMES, NOT_BOTS, TECHNICAL, WEIGHTS

unhurried = settings(deadline=None, database=None)
LETTERS = st.text("abcdefghijklmnopqrstuvwxyz", min_size=1, max_size=12)
LOGINS = st.text("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.[]", max_size=39)


@pytest.mark.parametrize(
    ("login", "words"),
    [
        ("k8s-CIRobot2", ("k8s", "ci", "robot", "2")),
        ("mergeBot", ("merge", "bot")),
        ("HTTPServer", ("http", "server")),
        ("foo_bar.baz-qux", ("foo", "bar", "baz", "qux")),
        ("renovate[bot]", ("renovate",)),
        ("coolb0t", ("coolbot",)),
        ("my-B0T", ("my", "bot")),
        ("GitHub-sync", ("github", "sync")),
        ("dev-ops-team", ("devops", "team")),
        ("", ()),
        ("---", ()),
        ("Élodie-机器人", ("É".lower(), "lodie", "机器人")),
    ],
)
def test_words(login: str, words: tuple[str, ...]) -> None:
    assert words_of(login) == words


@pytest.mark.parametrize(
    "login",
    [
        "Talbot", "talbot", "jtalbot", "JTalbot", "ryanjtalbot", "mary-talbot", "Abbott", "jabbott",
        "abbott-k", "Cabot", "jcabot", "sebastiancabot", "Robotham", "sabotage", "Botha", "botond",
        "botanist", "sabot", "turbot", "bottom-up", "both", "chabot", "lebot", "botticelli",
        "johnsmith", "torvalds", "Anna", "robertson", "cicero", "cinderella", "buildings-anna",
    ],
)  # fmt: skip
def test_names_of_people_say_nothing_for_automation(login: str) -> None:
    evidence = evidence_of(login)
    assert evidence.strongest == 0.0, evidence
    assert evidence.log_odds <= 0.0


@pytest.mark.parametrize(
    "login",
    [
        "foo-bot", "FooBot", "foo_bot2", "foo.bot", "bot-foo", "mergebot", "fluxcdbot", "metalbot",
        "mergebots", "portalbot", "nightlybot", "coolb0t", "k8s-ci-robot", "acme-jenkins",
        "svc-acme", "acme-automation", "acmeautomation", "acme-ci", "AcmeCI", "acme-deploy",
        "acme-bots", "acme-mirror", "github-sync", "acme-auto-updater", "jenkinsacme",
        "acme-build-agent",
    ],
)  # fmt: skip
def test_names_of_programs_say_so(login: str) -> None:
    assert evidence_of(login).log_odds >= 3.5, evidence_of(login)


def test_the_suffix_is_known_apart_from_words() -> None:
    assert evidence_of("acme[bot]").is_app
    assert evidence_of("acme[bot]").log_odds == 0.0
    assert not evidence_of("acme[bot]x").is_app
    assert not evidence_of("[Bot]").is_app


def test_what_stands_before_bot_matters() -> None:
    after_tool = evidence_of("gradlebot").log_odds
    after_nothing_known = evidence_of("zwqxbot").log_odds
    after_a_name = evidence_of("rahulbot").log_odds
    of_oneself = evidence_of("iamzwqxbot").log_odds
    assert after_tool > after_nothing_known > after_a_name > of_oneself > 0
    assert evidence_of("brian-bot").log_odds < evidence_of("brisk-bot").log_odds
    assert evidence_of("uglyrobot").log_odds < evidence_of("ugly-robot").log_odds


def test_a_second_word_adds_less_than_the_first() -> None:
    one, two = evidence_of("acme-deploy").log_odds, evidence_of("acme-deploy-ci").log_odds
    assert one < two < one + judged("ci")[0]


def test_a_reason_names_the_word_the_strongest_first() -> None:
    reasons = evidence_of("anna-github-bot").reasons
    assert [reason.split(":")[0] for reason in reasons] == [
        'name token "bot"', 'name token "github"', 'name token "anna"'
    ]  # fmt: skip


@unhurried
@given(st.text(max_size=60))
def test_any_text_is_weighed_the_same_each_time(login: str) -> None:
    first = evidence_of(login)
    assert first == evidence_of(login)
    assert math.isfinite(first.log_odds)
    assert bool(first.reasons) or (first.log_odds == 0.0)
    assert all(word == word.lower() for word in words_of(login))


@unhurried
@given(LOGINS)
def test_words_hold_all_letters_of_a_login(login: str) -> None:
    told = "".join(words_of(login))
    whole = login.removesuffix("[bot]")
    kept = "".join(each for each in whole if each.isalnum()).lower()
    assert told.replace("b0t", "bot") == kept.replace("b0t", "bot")


@unhurried
@given(LETTERS)
def test_a_bot_after_a_separator_always_counts(word: str) -> None:
    assert evidence_of(f"{word}-bot").log_odds > evidence_of(word).log_odds - 1e-9
    assert evidence_of(f"{word}-bot").strongest >= WEIGHTS["bot"][0]


@unhurried
@given(LETTERS, st.sampled_from(sorted(GIVEN_NAMES)))
def test_a_given_name_never_speaks_for_automation(word: str, name: str) -> None:
    assert evidence_of(f"{word}-{name}").log_odds <= evidence_of(word).log_odds


@pytest.mark.parametrize("surname", sorted(NOT_BOTS))
def test_no_surname_of_the_list_is_a_bot(surname: str) -> None:
    for login in (surname, surname.title(), f"j{surname}", f"anna-{surname}", f"{surname}-k"):
        assert evidence_of(login).log_odds <= 0.0, login


def test_a_name_of_a_megabyte_is_looked_at_to_its_limit() -> None:
    assert evidence_of("a-bot" * 200_000).log_odds > 0
    assert len("".join(words_of("x" * 10**6))) == LONGEST


# ---------------------------------------------------------------- the vocabulary


def test_each_word_has_one_weight() -> None:
    counts = Counter(word for _, _, words in _GROUPS for word in words.split())
    assert [word for word, count in counts.items() if count > 1] == []


def test_weights_are_written_not_fitted() -> None:
    assert all(weight % 0.5 == 0 and abs(weight) <= 6.5 for weight, _, _ in _GROUPS)
    assert all(why for _, why, _ in _GROUPS)


def test_words_at_the_end_do_not_end_given_names() -> None:
    assert [(name, end) for name in GIVEN_NAMES for end in AT_END if name.endswith(end)] == []


def test_surnames_are_no_tools() -> None:
    assert NOT_BOTS.isdisjoint(TECHNICAL)
