"""The commands `osmoscope mine`, and what status and doctor say about mining."""

import json
import signal
import subprocess
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from command import COMMAND, environment_of, one_line, run, run_anew
from mining_twin import FIRST_DAY, SHORT, ingest, toml_of

from assets.huggingface.access import CONFIRMATION
from orchestration.journal import Journal, Page
from orchestration.settings import Settings
from twin.server.app import Service, serving
from twin.server.limits import HubLimits, LimitSettings

TOKEN = "ghp_canaryTokenThatMustNotBeShown"
NO_TOKENS = {"GITHUB_TOKEN": "", "HF_TOKEN": ""}
DAY = "2025-10-07"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An installation whose sources nobody reaches."""
    (tmp_path / "osmoscope.toml").write_text(
        '[archive]\nsources = ["hours"]\n[github]\nendpoint = "http://127.0.0.1:9"\nattempts = 1\n'
        '[huggingface]\nendpoint = "http://127.0.0.1:9"\nattempts = 1\n'
    )
    (tmp_path / "hours").mkdir()
    return tmp_path


def journal_of(folder: Path, source: str, open_count: int, done_count: int) -> None:
    """A night that was left."""
    journal = Journal(folder / "data" / "state" / "mining" / f"{source}.sqlite")
    journal.begin(DAY, "digest")
    names = [f"subject-{k}" for k in range(open_count + done_count)]
    journal.plan([("stocks", name, "new", "{}") for name in names], DAY)
    journal.keep(
        [
            Page("stocks", name, {}, None, "ok", None, None, None, None, None, [], [])
            for name in names[:done_count]
        ],
        DAY,
    )
    journal.close()


def test_help_names_every_command(tmp_path: Path) -> None:
    done = run_anew("mine", "--help", folder=tmp_path)
    assert done.returncode == 0
    for name in ("github", "huggingface", "estimate", "request-access", "bootstrap"):
        assert name in done.stdout


@pytest.mark.parametrize(
    ("arguments", "says", "remedy", "code"),
    [
        (("github",), "GITHUB_TOKEN is not set", "Set it to one token", 3),
        (("request-access",), "gated_access is 'report'", "gated_confirmation", 3),
        (("estimate", "--hours", "3", "--nights", "2"), "--nights and --hours", "one of them", 2),
    ],
)
def test_what_cannot_be_done_is_one_line(
    arguments: tuple[str, ...], says: str, remedy: str, code: int, folder: Path
) -> None:
    done = run("mine", *arguments, folder=folder, **NO_TOKENS)
    assert done.returncode == code
    line = one_line(done.stderr)
    assert says in line and remedy in line
    assert done.stdout == ""


@pytest.mark.parametrize("platform", ["github", "huggingface"])
def test_a_platform_that_is_off_is_not_asked(platform: str, folder: Path) -> None:
    off = {f"OSMOSCOPE_{platform.upper()}__SOURCE": "off"}
    done = run("mine", platform, folder=folder, GITHUB_TOKEN=TOKEN, **off)
    assert done.returncode == 2
    assert f"{platform}.source is 'off'" in one_line(done.stderr)


@pytest.mark.parametrize("arguments", [("estimate", "--hours", "0"), ("nosuch",)])
def test_wrong_usage_is_exit_two(arguments: tuple[str, ...], folder: Path) -> None:
    done = run("mine", *arguments, folder=folder)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr


def test_an_estimate_asks_nothing_and_states_its_grounds(folder: Path) -> None:
    done = run_anew(
        "mine", "estimate", folder=folder, GITHUB_TOKEN=f"{TOKEN},{TOKEN}2", HF_TOKEN=""
    )
    assert (done.returncode, done.stderr) == (0, "")
    for text in (
        "first night", "usual night", "with 2 tokens", "published study", "limit of github.graphql",
        "assumed without a source", "within 24 h",
    ):  # fmt: skip
        assert text in done.stdout, text
    assert TOKEN not in done.stdout
    assert not (folder / "data").exists()


def test_an_estimate_as_json(folder: Path) -> None:
    arguments = ("--github-repositories", 1_428_792, "--hub-repositories", 1_440_527)
    done = run("mine", "estimate", *arguments, "--github-histories", 0, "--nights", 7, "--json",
               folder=folder, **NO_TOKENS)  # fmt: skip
    assert done.returncode == 0
    told = json.loads(done.stdout)
    assert told["target_hours"] == 168
    github, hub = told["platforms"]
    assert github["note"] == "not asked: GITHUB_TOKEN is not set"
    items = {item["kind"]: item for item in github["nights"][0]["items"]}
    assert items["stocks"]["requests"] == 14_288
    assert items["commits"]["requests"] == 0
    items = {item["kind"]: item for item in hub["nights"][0]["items"]}
    assert items["discussions"]["questions"] >= 1_440_527
    assert told["facts"]["hub.models"]["source"] == "--hub-repositories"


def test_status_shows_tokens_by_number_and_the_night_under_way(folder: Path) -> None:
    journal_of(folder, "github", open_count=3, done_count=2)
    journal_of(folder, "huggingface", open_count=0, done_count=0)
    tokens = {"GITHUB_TOKEN": f"{TOKEN} {TOKEN}2", "HF_TOKEN": ""}
    done = run("status", folder=folder, **tokens)
    assert done.returncode == 0
    assert "GitHub tokens: 2" in done.stdout
    assert "Hub tokens: 0" in done.stdout
    assert "GitHub night of 2025-10-07 under way: 2 questions answered, 3 open" in done.stdout
    assert "\nHub night" not in done.stdout
    assert TOKEN not in done.stdout
    told = json.loads(run("status", "--json", folder=folder, **tokens).stdout)
    assert told["github"]["journal"] == {"day": DAY, "answered": 2, "open": 3}
    assert told["github"]["token_count"] == 2
    assert told["hub"]["journal"] is None
    assert told["github"]["tables"]["repositories"] == {"observed_on": None, "rows": 0}


def test_a_damaged_journal_does_not_stop_the_status(folder: Path) -> None:
    path = folder / "data" / "state" / "mining" / "github.sqlite"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"no database at all" * 100)
    done = run("status", "--json", folder=folder)
    assert done.returncode == 0
    assert json.loads(done.stdout)["github"]["journal"] is None


def findings(folder: Path, **variables: str) -> dict[str, dict[str, str]]:
    done = run("doctor", "--json", folder=folder, **variables)
    return {row["subject"]: row for row in json.loads(done.stdout)}


def test_doctor_counts_tokens(folder: Path) -> None:
    found = findings(folder, **NO_TOKENS)
    assert found["GitHub"]["state"] == "warn"
    assert "GITHUB_TOKEN is not set" in found["GitHub"]["text"]
    assert found["gated repositories"]["state"] == "ok"
    found = findings(folder, GITHUB_TOKEN=TOKEN, HF_TOKEN=TOKEN)
    # Nobody listens there.
    assert found["GitHub"]["state"] == found["Hub"]["state"] == "fail"
    found = findings(folder, OSMOSCOPE_GITHUB__SOURCE="off")
    assert found["GitHub"]["state"] == "ok"
    assert TOKEN not in json.dumps(found)


def test_doctor_refuses_requests_for_access_that_nobody_confirmed(folder: Path) -> None:
    asked = {"OSMOSCOPE_HUGGINGFACE__GATED_ACCESS": "request"}
    found = findings(folder, **asked)["gated access"]
    assert found["state"] == "fail"
    assert "gated_confirmation" in found["remedy"]
    confirmed = {"OSMOSCOPE_HUGGINGFACE__GATED_CONFIRMATION": CONFIRMATION}
    found = findings(folder, **asked, **confirmed)["gated repositories"]
    assert found["state"] == "ok"
    assert "20 a day" in found["text"]


# ---------------------------------------------------------------- against the twin

ALLOWED = 60


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    with serving(SHORT, days_elapsed=2, limits=LimitSettings(enabled=False)) as service:
        yield service


@pytest.fixture
def installation(service: Service, tmp_path: Path) -> Path:
    """An installation whose sources are the twin."""
    service.limits.set(LimitSettings(enabled=False))
    service.counters.clear()
    (tmp_path / "osmoscope.toml").write_text(toml_of(service.twin))
    return tmp_path


def asked(service: Service, kind: str = "hub.api") -> int:
    return service.counters.as_json().get(kind, {}).get("requests", 0)


def test_a_night_of_the_hub_tells_its_ledger(installation: Path, service: Service) -> None:
    done = run("mine", "huggingface", "--json", folder=installation, HF_TOKEN=TOKEN)
    assert (done.returncode, done.stderr) == (0, "")
    told = json.loads(done.stdout)
    rows = {row["table"]: row["row_count"] for row in told["tables"]}
    assert rows["models"] == 150
    assert all(rows[table] > 0 for table in ("commits", "discussions", "answers", "requests"))
    (spent,) = told["requests"]
    assert spent["kind"] == "hub.api"
    assert spent["calls"] == asked(service)
    outcomes = {(row["kind"], row["outcome"]) for row in told["outcomes"]}
    assert {("commits", "ok"), ("discussions", "gone")} <= outcomes
    assert TOKEN not in done.stdout
    done = run("mine", "huggingface", folder=installation, HF_TOKEN=TOKEN)
    assert done.returncode == 0
    for text in ("discussions", "gone", "recheck", "least remaining", "0 refused by a limit"):
        assert text in done.stdout, text
    done = run("status", folder=installation)
    assert "Hub models: 150 rows, observed 2025-10-08" in done.stdout
    assert "under way" not in done.stdout


def test_a_night_of_github_tells_its_ledger(installation: Path, service: Service) -> None:
    few = {"OSMOSCOPE_GITHUB__REPOSITORY_LIMIT": "60", "OSMOSCOPE_GITHUB__HISTORY_LIMIT": "4"}
    ingest(Settings.load(installation / "osmoscope.toml"), FIRST_DAY)
    tokens = f"{TOKEN}1, {TOKEN}2"
    done = run("mine", "github", "--json", folder=installation, GITHUB_TOKEN=tokens, **few)
    assert (done.returncode, done.stderr) == (0, "")
    told = json.loads(done.stdout)
    rows = {row["table"]: row["row_count"] for row in told["tables"]}
    assert 50 < rows["repositories"] <= 60
    assert rows["commits"] > 0
    assert {row["kind"] for row in told["requests"]} == {"github.graphql", "github.rest"}
    spent = sum(row["calls"] for row in told["requests"])
    assert spent == asked(service, "github.graphql") + asked(service, "github.rest")
    assert {row["kind"] for row in told["outcomes"]} >= {"stocks", "commits"}
    assert TOKEN not in done.stdout
    assert "GitHub repositories" in run("status", folder=installation).stdout


def test_access_is_shown_before_it_is_asked_for(installation: Path, service: Service) -> None:
    allowed = {
        "OSMOSCOPE_HUGGINGFACE__GATED_ACCESS": "request",
        "OSMOSCOPE_HUGGINGFACE__GATED_CONFIRMATION": CONFIRMATION,
        "OSMOSCOPE_HUGGINGFACE__GATED_DAILY_LIMIT": "2",
        "OSMOSCOPE_HUGGINGFACE__HISTORY_LIMIT": "0",
        "HF_TOKEN": TOKEN,
    }
    assert run("mine", "huggingface", folder=installation, **allowed).returncode == 0
    before = asked(service)
    done = run("mine", "request-access", "--dry-run", "--json", folder=installation, **allowed)
    shown = json.loads(done.stdout)
    assert asked(service) == before
    assert len(shown["access_requests"]) == 2 < shown["waiting"]
    done = run("mine", "request-access", "--json", folder=installation, **allowed)
    assert done.returncode == 0
    assert "At most 2 of" in one_line(done.stderr)
    made = json.loads(done.stdout)
    names = {row["repository_name"] for row in made["access_requests"]}
    assert names == {row["repository_name"] for row in shown["access_requests"]}
    assert all(row["outcome"] for row in made["access_requests"])
    done = run("mine", "request-access", "--dry-run", "--json", folder=installation, **allowed)
    following = json.loads(done.stdout)
    assert following["waiting"] == shown["waiting"] - 2
    assert not {row["repository_name"] for row in following["access_requests"]} & names


def test_ctrl_c_ends_cleanly_and_the_next_call_goes_on(
    installation: Path, service: Service
) -> None:
    service.limits.set(LimitSettings(hub=HubLimits(api_authenticated=ALLOWED)))
    process = subprocess.Popen(
        [str(COMMAND), "mine", "huggingface"], cwd=installation, text=True,
        env=environment_of(HF_TOKEN=TOKEN), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        # Who runs the tests in the background has Ctrl-C ignored, for children too.
        preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),
    )  # fmt: skip
    try:
        ends_at = time.monotonic() + 60
        while asked(service) < ALLOWED and time.monotonic() < ends_at:
            assert process.poll() is None
            time.sleep(0.1)
        assert asked(service) == ALLOWED
        told = run("status", folder=installation).stdout
        assert "Hub night of 2025-10-08 under way" in told
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
    finally:
        process.kill()
    assert process.returncode == 130
    assert out == ""
    assert "the next call goes on there" in one_line(err)
    service.limits.set(LimitSettings(enabled=False))
    service.counters.clear()
    done = run("mine", "huggingface", "--json", folder=installation, HF_TOKEN=TOKEN)
    assert done.returncode == 0
    # All but some in flight of the first call's pages are not asked for again.
    answered = sum(row["questions"] for row in json.loads(done.stdout)["outcomes"])
    assert asked(service) < answered - ALLOWED / 2
