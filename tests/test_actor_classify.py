"""The layers of the classification, its policies, behaviour, and models of planted truth."""

import io
import json
import shutil
import zipfile
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assets.actors import behaviour
from assets.actors.classify import (
    AUTOMATED,
    CLASSES,
    SCHEMA,
    Rules,
    classify,
    feature_matrix,
)
from assets.actors.features import CANONICAL, FEATURES, NAMES, told
from assets.actors.lists import Known, known_accounts
from assets.actors.model import (
    LEAST_OF_A_CLASS,
    Labelled,
    Model,
    folds,
    threshold_of,
    train,
)
from assets.actors.policies import POLICIES
from orchestration.failures import PermanentFailure

unhurried = settings(deadline=None, database=None, max_examples=60)
RULES = Rules.load()
WORDS = ("acme", "zephyr", "quorum", "lumen", "tundra", "cobalt", "marble", "sierra")
# About what a busy person and a dependency updater look like.
PERSON = {
    "act_count": 200.0, "act_kind_count": 10.0, "owner_count": 9.0, "gap_hours_median": 0.3,
    "hours_to_next_kind_median": 0.4, "gap_hours_gini": 0.9, "hour_entropy": 0.75,
}  # fmt: skip
PROGRAM = {
    "act_count": 200.0, "act_kind_count": 2.0, "owner_count": 1.0, "gap_hours_median": 0.0005,
    "hours_to_next_kind_median": 0.0005, "gap_hours_gini": 0.5, "hour_entropy": 0.99,
}  # fmt: skip


def accounts(rows: list[dict[str, Any]]) -> pa.Table:
    names = dict.fromkeys(name for row in rows for name in row)
    types = {
        "login": pa.string(), "platform": pa.string(), "platform_type": pa.string(),
        "is_organisation": pa.bool_(), "is_platform_staff": pa.bool_(),
        "is_told_staff": pa.bool_(),
    }  # fmt: skip
    return pa.table(
        {
            name: pa.array([row.get(name) for row in rows], types.get(name, pa.float64()))
            for name in names
        }
    )


def one(rules: Rules = RULES, **row: Any) -> dict[str, Any]:
    found: dict[str, Any] = classify(accounts([row]), rules).to_pylist()[0]
    return found


# ---------------------------------------------------------------- layers


@pytest.mark.parametrize(
    ("row", "actor_class", "reason"),
    [
        ({"login": "dependabot[bot]"}, "bot", "curated"),
        ({"login": "Web-Flow"}, "platform_automation", "curated"),
        ({"login": "web-flow", "platform_type": "Organization"}, "platform_automation", "curated"),
        ({"login": "acme[bot]"}, "bot", "name ends in [bot]"),
        ({"login": "acme-claude[bot]"}, "ai_agent", "name ends in [bot]"),
        ({"login": "copilot-swe-agent[bot]"}, "ai_agent", "curated"),
        ({"login": "acme", "platform_type": "Bot"}, "bot", "the platform says"),
        ({"login": "x-bot", "platform_type": "Organization"}, "organisation", "the platform says"),
        ({"login": "acme", "is_organisation": True}, "organisation", "the platform says"),
        ({"login": "acme", "is_platform_staff": True}, "platform_staff", "a member of"),
        ({"login": "acme-bot", "is_platform_staff": True}, "bot", 'name token "bot"'),
        ({"login": "talbot", "is_platform_staff": True}, "platform_staff", "a member of"),
        ({"login": "ghost", "platform": "huggingface"}, "platform_automation", "curated"),
        ({"login": "system", "platform": "huggingface"}, "platform_automation", "curated"),
        ({"login": "system", "platform": "github"}, "unknown", "name token"),
        ({"login": "acme-gpt-bot"}, "ai_agent", 'name token "bot"'),
        ({"login": "acme-ci-bot"}, "bot", 'name token "bot"'),
        ({"login": "zwqx"}, "unknown", "no evidence"),
        ({"login": "Talbot"}, "person", "name token"),
        ({"login": "zwqx", **PERSON}, "person", "kinds of act"),
        ({"login": "zwqx", **PROGRAM}, "bot", "kinds of act"),
        ({"login": None}, "unknown", "no evidence"),
    ],
)  # fmt: skip
def test_the_first_layer_that_is_certain_decides(
    row: dict[str, Any], actor_class: str, reason: str
) -> None:
    found = one(**row)
    assert found["actor_class"] == actor_class, found
    assert any(reason in told for told in found["reasons"]), found
    assert found["is_bot"] == (actor_class in AUTOMATED)
    assert found["decided_by"] == "rule"


def test_what_the_platform_says_of_its_staff_decides() -> None:
    found = one(login="acme", platform="huggingface", is_told_staff=True)
    assert (found["actor_class"], found["decided_by"]) == ("platform_staff", "platform")
    assert found["reasons"] == ["the platform says that it is its staff"]
    assert not any(found[name] for name in found if name.startswith("is_"))
    # Both know it: who says it of itself is named.
    both = one(login="acme", is_told_staff=True, is_platform_staff=True)
    assert both["decided_by"] == "platform"
    # Lists and names of programs are surer; not told and told that not leave it to the others.
    assert one(login="dependabot", is_told_staff=True)["actor_class"] == "bot"
    assert one(login="acme-bot", is_told_staff=True)["actor_class"] == "bot"
    for flag in (None, False):
        listed = one(login="acme", is_told_staff=flag, is_platform_staff=True)
        assert (listed["actor_class"], listed["decided_by"]) == ("platform_staff", "rule")
        assert one(login="zwqx", is_told_staff=flag)["actor_class"] == "unknown"


def test_certainty_beats_behaviour() -> None:
    assert one(login="dependabot", **PERSON)["is_bot"]
    assert one(login="acme[bot]", **PERSON)["score"] > 0.99
    assert not one(login="acme", is_organisation=True, **PROGRAM)["is_bot"]


def test_behaviour_decides_where_the_name_is_open() -> None:
    assert one(login="rahulbot", **PROGRAM)["is_bot"]
    assert not one(login="rahulbot", **PERSON)["is_bot"]
    assert one(login="talbot", **PROGRAM)["score"] > one(login="talbot", **PERSON)["score"]


def test_a_list_that_is_not_of_automation_does_not_remove() -> None:
    rules = Rules({("huggingface", "someone"): Known("platform_staff", "answers users")})
    found = one(rules, login="Someone", platform="huggingface")
    assert found["actor_class"] == "platform_staff"
    assert not any(found[name] for name in found if name.startswith("is_"))


# ---------------------------------------------------------------- policies

LOGIN = st.one_of(
    st.none(),
    st.text(max_size=30),
    st.sampled_from(["Talbot", "k8s-ci-robot", "web-flow", "acme[bot]", "zwqxbot", "metalbot"]),
)
FLOAT = st.one_of(st.none(), st.floats(), st.floats(0, 100))
ROW = st.fixed_dictionaries(
    {"login": LOGIN},
    optional={
        "platform": st.sampled_from(["github", "huggingface", "elsewhere", None]),
        "platform_type": st.sampled_from(["User", "Bot", "Organization", "organisation", None, ""]),
        "is_organisation": st.sampled_from([True, False, None]),
        "is_platform_staff": st.sampled_from([True, False, None]),
        "is_told_staff": st.sampled_from([True, False, None]),
        **dict.fromkeys(PERSON, FLOAT),
        "repeated_text_share": FLOAT,
    },
)


@unhurried
@given(st.lists(ROW, min_size=1, max_size=12))
def test_policies_are_nested_and_rows_are_independent(rows: list[dict[str, Any]]) -> None:
    table = accounts(rows)
    found = classify(table, RULES)
    assert found.schema == SCHEMA
    assert found.column("login").to_pylist() == [row["login"] for row in rows]
    for row in found.to_pylist():
        sure, wide = row["is_removed_by_conservative"], row["is_removed_by_aggressive"]
        assert not sure or row["is_bot"]
        assert not row["is_bot"] or wide
        assert row["is_uncertain"] == (wide and not sure)
        assert row["actor_class"] in CLASSES
        assert 0.0 <= row["score"] <= 1.0
        assert row["reasons"] and all(row["reasons"])
        assert row["is_bot"] == (row["actor_class"] in AUTOMATED)
    alone = [
        classify(table.slice(place, 1).combine_chunks().to_batches()[0], RULES).to_pylist()[0]
        for place in range(len(rows))
    ]
    assert alone == found.to_pylist()


@unhurried
@given(st.lists(LOGIN, min_size=1, max_size=12))
def test_paper_is_list_or_substring_and_none_is_nobody(logins: list[str | None]) -> None:
    table = pa.table({"login": pa.array(logins, pa.string())})
    listed = known_accounts()
    paper = [
        "bot" in (login or "").lower() or ("github", (login or "").lower()) in listed
        for login in logins
    ]
    assert classify(table, RULES.under("paper")).column("is_bot").to_pylist() == paper
    assert not any(classify(table, RULES.under("none")).column("is_bot").to_pylist())


def test_a_policy_is_what_is_bot_shows() -> None:
    # The last is open: below the balanced decision, above what is sure to be a person.
    names = ("TALBOT", "zwqxbot", "web-flow", "x-bot", "zw", "kebot")
    table = accounts([{"login": name} for name in names])
    shown = {
        policy: classify(table, RULES.under(policy)).column("is_bot").to_pylist()
        for policy in (*POLICIES, None)
    }
    assert shown == {
        "none": [False] * 6,
        "paper": [True, True, True, True, False, True],
        "conservative": [False, False, True, True, False, False],
        "aggressive": [False, True, True, True, False, True],
        None: [False, True, True, True, False, False],
    }


def test_empty_batches_and_other_columns() -> None:
    assert classify(pa.table({"login": pa.array([], pa.string())}), RULES).num_rows == 0
    table = pa.table({"login": ["zwqx"], "bot": [1], "type": ["Bot"], "note": ["x-bot"]})
    assert not classify(table, RULES).column("is_bot").to_pylist()[0]


# ---------------------------------------------------------------- behaviour and features


def matrix(**values: float) -> np.ndarray[Any, np.dtype[np.float64]]:
    return feature_matrix(accounts([{"login": "x", **values}]))


def test_unknown_behaviour_says_nothing() -> None:
    assert behaviour.log_odds_of(matrix()).tolist() == [0.0]
    infinite = matrix(act_kind_count=float("inf"), gap_hours_gini=float("nan"))
    assert behaviour.log_odds_of(infinite).tolist() == [0.0]
    assert behaviour.reasons_of(matrix()) == [()]


def test_a_few_acts_say_nothing() -> None:
    few = {**PROGRAM, "act_count": 4.0}
    assert behaviour.log_odds_of(matrix(**few)).tolist() == [0.0]
    assert behaviour.log_odds_of(matrix(**PROGRAM))[0] > 3
    assert behaviour.log_odds_of(matrix(**PERSON))[0] < -3


def test_two_features_of_one_thing_count_once() -> None:
    one = behaviour.log_odds_of(matrix(act_count=99, gap_hours_median=0.0))
    both = behaviour.log_odds_of(
        matrix(act_count=99, gap_hours_median=0.0, hours_to_next_kind_median=0.0)
    )
    assert one.tolist() == both.tolist() == [1.5]


def test_curves_are_straight_lines_between_their_points() -> None:
    for curve in behaviour.CURVES:
        values = [point[0] for point in curve.points]
        assert values == sorted(set(values)), curve.feature
        at = curve.at(np.array(values), np.full(len(values), np.inf))
        assert at.tolist() == [point[1] for point in curve.points]
        assert all(change % 0.5 == 0 for _, change in curve.points), curve.feature


def test_reasons_tell_value_and_people() -> None:
    reasons = behaviour.reasons_of(matrix(**PROGRAM))[0]
    assert "the number of kinds of act is 2 (people: about 8)" in reasons
    assert told("gap_hours_median", 0.001) == "the median of the gaps between acts is 3.6 s"
    assert told("gap_hours_mean", 30.0) == "the mean of the gaps between acts is 1.25 days"
    assert told("act_count", None) == "the number of acts is unknown"


def test_features_have_one_name_here_and_one_there() -> None:
    assert len(set(NAMES)) == len(NAMES) == len(FEATURES)
    others = [feature.other_name for feature in FEATURES if feature.other_name]
    assert len(set(others)) == len(others) == 45
    assert CANONICAL["consecutive_activity_time_50%"] == "gap_hours_median"
    assert CANONICAL["activity_per_act_type_IQR"] == "acts_per_kind_iqr"
    assert set(CANONICAL.values()) == set(NAMES)


# ---------------------------------------------------------------- the list


def test_every_listed_account_has_reason_and_evidence() -> None:
    import csv

    from assets.actors.lists import AUTOMATION, SEEDS

    with (SEEDS / AUTOMATION).open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) > 500
    keys = [(row["platform"], row["login"].lower()) for row in rows]
    assert len(set(keys)) == len(keys)
    for row in rows:
        assert row["actor_class"] in AUTOMATED | {"platform_staff"}, row
        assert row["platform"] in {"github", "huggingface"}
        assert row["reason"] and row["evidence_url"].startswith("https://")
        assert row["login"] == row["login"].strip() != ""


def test_a_list_without_its_columns_is_refused(tmp_path: Path) -> None:
    (tmp_path / "known_automation.csv").write_text("platform,name\ngithub,x\n")
    with pytest.raises(PermanentFailure, match="cannot be read"):
        known_accounts(tmp_path)


# ---------------------------------------------------------------- models


def planted(count: int = 240, with_features: bool = True, seed: int = 1) -> Labelled:
    """Accounts whose kind is told by the end of the name, and better by two features."""
    draw = np.random.default_rng(seed)
    labels = np.arange(count) % 2
    logins = [
        f"{draw.choice(WORDS)}{draw.choice(WORDS)}{draw.integers(10**6)}"
        + (str(draw.choice(["-runs", "-acts", ""])) if label else str(draw.choice(["-anna", ""])))
        for label in labels
    ]
    values = np.full((count, len(NAMES)), np.nan)
    if with_features:
        for name, people, programs in (
            ("act_kind_count", 9.0, 3.0), ("owner_count", 8.0, 2.0), ("gap_hours_gini", 0.9, 0.6)
        ):  # fmt: skip
            mean = np.where(labels == 1, programs, people)
            values[:, NAMES.index(name)] = mean + draw.normal(0, mean / 4)
    return Labelled(logins, values, labels.astype(np.int64))


@pytest.fixture(scope="module")
def model() -> Model:
    return train(planted(), date(2026, 1, 2))


def f1_of(called: Any, labels: Any) -> float:
    hits = int((called & (labels == 1)).sum())
    return 2 * hits / (int(called.sum()) + int(labels.sum()))


def test_a_model_finds_what_was_planted(model: Model) -> None:
    fresh = planted(seed=2)
    both = model.judge(fresh.logins, fresh.values)
    names = model.judge(fresh.logins, np.full_like(fresh.values, np.nan))
    assert f1_of(both.is_bot, fresh.labels) > 0.95
    assert 0.6 < f1_of(names.is_bot, fresh.labels) < f1_of(both.is_bot, fresh.labels)
    for scores in (both.scores, names.scores):
        assert abs(float(scores.mean()) - 0.5) < 0.1
    assert any("kinds of act" in reason for reason in both.reasons[1])
    assert "towards automation" in " ".join(both.reasons[1])


def test_reasons_are_what_the_additive_part_says(model: Model) -> None:
    fresh = planted(60, seed=7)
    columns = [NAMES.index(name) for name in model.metadata["features"]]
    known = planted().values[:, columns]
    said = model._said(known)
    additive = model._state["acts"]["additive"].decision_function(known)
    rest = additive - said.sum(axis=1)
    assert float(np.ptp(rest)) < 1e-9
    kinds = model._said(fresh.values[:, columns])[
        :, model.metadata["features"].index("act_kind_count")
    ]
    told = 0
    for reasons, kind in zip(model.judge(fresh.logins, fresh.values).reasons, kinds, strict=True):
        for reason in reasons:
            if "number of kinds" in reason:
                told += 1
                assert ("towards automation" in reason) == (kind > 0)
    assert told > 30


def test_missing_features_of_some_rows_are_no_obstacle(model: Model) -> None:
    fresh = planted(60, seed=3)
    fresh.values[::3] = np.nan
    fresh.values[1::3, NAMES.index("gap_hours_gini")] = np.nan
    judged = model.judge(fresh.logins, fresh.values)
    whole = model.judge(fresh.logins[1:2], fresh.values[1:2])
    assert np.isfinite(judged.scores).all()
    assert judged.scores[1] == pytest.approx(whole.scores[0], abs=1e-12)
    trained = train(Labelled(fresh.logins, fresh.values, fresh.labels), date(2026, 1, 2))
    assert trained.metadata["rows_with_features"] == 40


def test_the_same_accounts_and_seed_give_the_same_model(model: Model) -> None:
    again = train(planted(), date(2026, 1, 2))
    fresh = planted(seed=4)
    one, other = (each.judge(fresh.logins, fresh.values) for each in (model, again))
    assert one.scores.tolist() == other.scores.tolist()
    assert one.reasons == other.reasons
    assert model.metadata == again.metadata


def test_a_model_of_names_alone() -> None:
    trained = train(planted(with_features=False), date(2026, 1, 2))
    assert trained.metadata["features"] == []
    fresh = planted(seed=5)
    assert f1_of(trained.judge(fresh.logins, fresh.values).is_bot, fresh.labels) > 0.6


def test_a_model_comes_back_from_its_file(model: Model, tmp_path: Path) -> None:
    path = tmp_path / "deep" / "model.skops"
    model.save(path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert [each.name for each in path.parent.iterdir()] == ["model.skops"]
    fresh = planted(seed=6)
    one, other = (each.judge(fresh.logins, fresh.values) for each in (model, Model.load(path)))
    assert one.scores.tolist() == other.scores.tolist()
    assert one.reasons == other.reasons


def test_rules_override_a_model(model: Model) -> None:
    rules = Rules(RULES.lists, model)
    assert one(rules, login="dependabot[bot]", **PERSON)["decided_by"] == "rule"
    found = one(rules, login="acmelumen1-runs", act_kind_count=3, owner_count=2, gap_hours_gini=0.6)
    assert (found["actor_class"], found["decided_by"]) == ("bot", "model")
    assert found["is_removed_by_aggressive"]


def test_no_account_is_fitted_on_and_judged() -> None:
    twice = planted(120)
    doubled = Labelled(
        [*twice.logins, *(login.upper() for login in twice.logins)],
        np.vstack([twice.values, twice.values]),
        np.concatenate([twice.labels, twice.labels]),
    )
    judged: list[int] = []
    for fit, judge in folds(doubled, 5, 1):
        seen = {doubled.logins[row].lower() for row in fit}
        assert not seen & {doubled.logins[row].lower() for row in judge}
        judged += judge.tolist()
    assert sorted(judged) == list(range(240))


def test_the_threshold_is_the_best_of_the_precise() -> None:
    labels = np.array([0] * 10 + [1] * 10)
    scores = np.array([*np.linspace(0, 0.45, 9), 0.70, *np.linspace(0.48, 0.69, 5), *[0.8] * 5])
    brute = max(
        (float(t) for t in np.arange(0.30, 0.951, 0.01)),
        key=lambda t: (
            labels[scores >= t].mean() >= 0.95 if (scores >= t).any() else False,
            f1_of(scores >= t, labels),
        ),
    )
    assert (scores >= threshold_of(scores, labels, 0.95)).tolist() == (scores >= brute).tolist()
    assert threshold_of(scores, labels, 0.95) > 0.70
    assert threshold_of(scores, labels, 0.5) < 0.50


def test_too_few_of_a_kind_are_refused() -> None:
    few = planted(2 * LEAST_OF_A_CLASS - 2)
    with pytest.raises(PermanentFailure, match="to learn from"):
        train(few, date(2026, 1, 2))


# ---------------------------------------------------------------- files that are no model


@pytest.fixture(scope="module")
def saved(model: Model, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("saved") / "model.skops"
    model.save(path)
    return path


@pytest.fixture
def path(saved: Path, tmp_path: Path) -> Path:
    """A saved model's file, to be damaged."""
    return Path(shutil.copy(saved, tmp_path))


def rewritten(path: Path, change: Any) -> None:
    """The model's archive with its schema changed."""
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    schema = json.loads(parts["schema.json"])
    change(schema)
    parts["schema.json"] = json.dumps(schema).encode()
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name, part in parts.items():
            archive.writestr(name, part)
    path.write_bytes(content.getvalue())


def test_a_foreign_type_is_refused(path: Path) -> None:

    def change(schema: Any) -> None:
        names = schema["content"]["names"]["content"]["weights"]
        names["__module__"], names["__class__"] = "subprocess", "Popen"

    rewritten(path, change)
    with pytest.raises(PermanentFailure, match=r"no model that can be used.*Popen"):
        Model.load(path)


@pytest.mark.parametrize("size", [0, 10, 1000, -1000, -1])
def test_a_damaged_file_is_refused(path: Path, size: int) -> None:
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(PermanentFailure, match="no model that can be used") as refused:
        Model.load(path)
    assert "train" in refused.value.remedy


def test_flipped_bytes_are_refused(path: Path) -> None:
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 64] = bytes(255 - each for each in content[middle : middle + 64])
    path.write_bytes(content)
    with pytest.raises(PermanentFailure, match="no model that can be used"):
        Model.load(path)


@pytest.mark.parametrize(
    ("part", "value"),
    [
        ("format", 0), ("scikit_learn", "0.1"), ("vocabulary", "0"), ("features", ["unheard_of"]),
        ("features", ["act_count"]),
    ],
)  # fmt: skip
def test_a_model_of_another_version_is_refused(
    model: Model, tmp_path: Path, part: str, value: Any
) -> None:
    import skops.io

    path = tmp_path / "model.skops"
    path.write_bytes(skops.io.dumps({**model._state, "metadata": {**model.metadata, part: value}}))
    with pytest.raises(PermanentFailure, match="no model that can be used"):
        Model.load(path)


def test_another_object_of_the_kind_is_refused(tmp_path: Path) -> None:
    import skops.io

    path = tmp_path / "model.skops"
    for thing in ({"metadata": {}}, [1, 2], "text"):
        path.write_bytes(skops.io.dumps(thing))
        with pytest.raises(PermanentFailure, match="no model that can be used"):
            Model.load(path)
