"""Settings: where they come from, what is refused, and what the refusal says."""

import os
from datetime import date
from pathlib import Path

import pytest

from orchestration.failures import PermanentFailure, SettingsError
from orchestration.settings import Settings


@pytest.fixture(autouse=True)
def _clean(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty folder and no variables of the machine that runs the tests."""
    for variable in os.environ:
        if variable.upper().startswith("OSMOSCOPE_") or variable in {"HF_TOKEN", "GITHUB_TOKEN"}:
            monkeypatch.delenv(variable)
    monkeypatch.chdir(tmp_path)


def written(folder: Path, text: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "osmoscope.toml"
    path.write_text(text, encoding="utf-8")
    return path


def refused(text: str) -> SettingsError:
    path = written(Path.cwd(), text)
    with pytest.raises(SettingsError) as error:
        Settings.load(path)
    assert isinstance(error.value, PermanentFailure)
    assert error.value.remedy
    assert "\n" not in error.value.message
    return error.value


def test_defaults() -> None:
    settings = Settings.load()
    assert settings.data_dir == Path.cwd() / "data"
    assert settings.archive.sources == ["https://data.gharchive.org"]
    assert settings.archive.first_day == date(2015, 1, 1)
    assert settings.archive.max_line_bytes == 16 * 1024**2
    assert settings.archive.keep_email_domain is False
    assert settings.huggingface.source == "api"
    assert settings.study.name == "paper"
    assert settings.lake_root == settings.data_dir / "lake"
    assert settings.warehouse_path == settings.data_dir / "warehouse.duckdb"
    assert settings.published_dir == settings.data_dir / "published"


def test_environment_over_file_over_default(monkeypatch: pytest.MonkeyPatch) -> None:
    written(Path.cwd(), "[archive]\nworkers = 3\nattempts = 7\n[study]\nseed = 5\n")
    monkeypatch.setenv("OSMOSCOPE_ARCHIVE__WORKERS", "9")
    settings = Settings.load()
    assert settings.archive.workers == 9
    assert settings.archive.attempts == 7
    assert settings.archive.thin_share == 0.3
    assert settings.study.seed == 5


def test_environment_without_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OSMOSCOPE_DATA_DIR", "/somewhere")
    monkeypatch.setenv("OSMOSCOPE_ARCHIVE__SOURCES", '["/a", "https://b"]')
    monkeypatch.setenv("osmoscope_study__name", "mine")
    settings = Settings.load()
    assert settings.data_dir == Path("/somewhere")
    assert settings.archive.sources == ["/a", "https://b"]
    assert settings.study.name == "mine"


def test_named_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written(tmp_path, "[study]\nseed = 1\n")
    by_variable = written(tmp_path / "v", "[study]\nseed = 2\n")
    by_argument = written(tmp_path / "a", "[study]\nseed = 3\n")
    assert Settings.load().study.seed == 1
    monkeypatch.setenv("OSMOSCOPE_CONFIG", str(by_variable))
    assert Settings.load().study.seed == 2
    assert Settings.load(by_argument).study.seed == 3


def test_named_file_must_exist(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SettingsError, match=r"none\.toml does not exist"):
        Settings.load(tmp_path / "none.toml")
    monkeypatch.setenv("OSMOSCOPE_CONFIG", str(tmp_path / "other.toml"))
    with pytest.raises(SettingsError, match=r"other\.toml does not exist"):
        Settings.load()


def test_relative_paths_are_meant_from_the_file(tmp_path: Path) -> None:
    path = written(
        tmp_path / "etc",
        'data_dir = "store"\n[archive]\nsources = ["hours", "/abs", "https://x.org/y"]\n'
        '[huggingface]\nsource = "dump"\ndump = ["d.jsonl", "/abs/e.jsonl"]\n',
    )
    settings = Settings.load(Path(os.path.relpath(path)))
    folder = tmp_path / "etc"
    assert settings.data_dir == folder / "store"
    assert settings.lake_root == folder / "store" / "lake"
    assert settings.archive.sources == [str(folder / "hours"), "/abs", "https://x.org/y"]
    assert settings.huggingface.dump == [folder / "d.jsonl", Path("/abs/e.jsonl")]


@pytest.mark.parametrize(
    ("text", "name", "allowed"),
    [
        ("data_dri = 'x'\n", "data_dri", "data_dir"),
        ("[archive]\nworker = 2\n", "archive.worker", "workers"),
        ("[huggingface]\nlimit = 2\n", "huggingface.limit", "model_limit"),
        ("[nonsense]\na = 2\n", "nonsense", "huggingface"),
    ],
)
def test_unknown_key_in_the_file(text: str, name: str, allowed: str) -> None:
    error = refused(text)
    assert error.message == f"The setting {name} is unknown."
    assert allowed in error.remedy


@pytest.mark.parametrize("variable", ["OSMOSCOPE_ARCHIVE__WORKER", "OSMOSCOPE_DATADIR"])
def test_unknown_variable(variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(variable, "1")
    with pytest.raises(SettingsError) as error:
        Settings.load()
    assert variable in error.value.message
    assert "OSMOSCOPE_ARCHIVE__WORKERS" in error.value.remedy
    assert "OSMOSCOPE_DATA_DIR" in error.value.remedy


def test_known_variables_that_are_no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("OSMOSCOPE_EMAIL_SALT", "OSMOSCOPE_LAKE", "OSMOSCOPE_WAREHOUSE"):
        monkeypatch.setenv(variable, "x")
    Settings.load()


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("[archive]\nworkers = 'many'\n", "archive.workers"),
        ("[archive]\nworkers = 0\n", "archive.workers"),
        ("[archive]\nworkers = 1000\n", "archive.workers"),
        ("[archive]\nsources = []\n", "archive.sources"),
        ("[archive]\nsources = 'x'\n", "archive.sources"),
        ("[archive]\nsources = ['ftp://x/y']\n", "archive.sources"),
        ("[archive]\nthin_share = 2\n", "archive.thin_share"),
        ("[archive]\nmax_line_bytes = 10\n", "archive.max_line_bytes"),
        ("[archive]\nmax_ratio = 1\n", "archive.max_ratio"),
        ("[archive]\nattempts = 0\n", "archive.attempts"),
        ("[archive]\ntimeout_seconds = 0\n", "archive.timeout_seconds"),
        ("[archive]\nfirst_day = 'x'\n", "archive.first_day"),
        ("archive = 3\n", "archive"),
        ("[huggingface]\nsource = 'ftp'\n", "huggingface.source"),
        ("[huggingface]\nendpoint = 'https://a:b@x'\n", "huggingface.endpoint"),
        ("[huggingface]\npage_size = 0\n", "huggingface.page_size"),
        ("[huggingface]\nrepository_types = ['paper']\n", "huggingface.repository_types.0"),
        ("[huggingface]\nrepository_types = []\n", "huggingface.repository_types"),
        (
            "[huggingface]\nrepository_types = ['model', 'model']\n",
            "huggingface.repository_types",
        ),
        ("[huggingface]\ngated_access = 'always'\n", "huggingface.gated_access"),
        ("[huggingface]\ngated_daily_limit = 0\n", "huggingface.gated_daily_limit"),
        ("[huggingface]\nrotation_nights = 0\n", "huggingface.rotation_nights"),
        ("[huggingface]\nliker_limit = -1\n", "huggingface.liker_limit"),
        ("[huggingface]\naccount_nights = 0\n", "huggingface.account_nights"),
        ("[github]\nsource = 'dump'\n", "github.source"),
        ("[github]\nendpoint = 'https://a:b@x'\n", "github.endpoint"),
        ("[github]\nendpoint = 'api.github.com'\n", "github.endpoint"),
        ("[github]\nrepository_limit = -1\n", "github.repository_limit"),
        ("[github]\ncommit_limit = 0\n", "github.commit_limit"),
        ("[github]\nbatch_size = 101\n", "github.batch_size"),
        ("[github]\nworkers = 101\n", "github.workers"),
        ("[github]\nrotation_nights = 0\n", "github.rotation_nights"),
        ("[github]\nmember_nights = 0\n", "github.member_nights"),
        ("[github]\nattempts = 0\n", "github.attempts"),
        ("[github]\ntimeout_seconds = 0\n", "github.timeout_seconds"),
        ("[study]\nname = '../x'\n", "study.name"),
        ('[study]\nname = "x\'; drop"\n', "study.name"),
        ("[publish]\nkeep_versions = 0\n", "publish.keep_versions"),
        ("[schedule]\nnightly_cron = 'daily'\n", "schedule.nightly_cron"),
    ],
)
def test_wrong_value_names_the_setting(text: str, name: str) -> None:
    error = refused(text)
    assert error.message.startswith(f"The setting {name} is wrong: ")
    assert "given: " in error.message


def test_wrong_value_in_a_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OSMOSCOPE_ARCHIVE__WORKERS", "many")
    with pytest.raises(SettingsError, match=r"archive\.workers is wrong.*many"):
        Settings.load()


@pytest.mark.parametrize(
    ("variable", "value"),
    [("OSMOSCOPE_ARCHIVE", "{bad"), ("OSMOSCOPE_ARCHIVE__SOURCES", "/a/folder")],
)
def test_variable_that_is_no_json(
    variable: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(SettingsError, match=f"{variable} is not JSON") as error:
        Settings.load()
    assert '["/a/folder", ' in error.value.remedy
    assert value not in error.value.message


def test_relative_paths_in_variables_are_meant_from_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = written(tmp_path / "etc", "data_dir = 'store'\n[archive]\nworkers = 3\n")
    monkeypatch.setenv("OSMOSCOPE_ARCHIVE__SOURCES", '["hours"]')
    monkeypatch.setenv("OSMOSCOPE_PUBLISH__PLANTED", "planted.json")
    settings = Settings.load(path)
    assert settings.data_dir == tmp_path / "etc" / "store"
    assert settings.archive.sources == [str(Path.cwd() / "hours")]
    assert settings.archive.workers == 3
    assert settings.publish.planted == Path.cwd() / "planted.json"
    monkeypatch.setenv("OSMOSCOPE_DATA_DIR", "here")
    assert Settings.load(path).data_dir == Path.cwd() / "here"


def test_restored_settings_are_those_that_were_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OSMOSCOPE_ARCHIVE__WORKERS", "5")
    read = Settings.load(written(tmp_path / "etc", "[study]\nname = 'mine'\n"))
    monkeypatch.setenv("OSMOSCOPE_ARCHIVE__WORKERS", "7")
    restored = Settings.restored(read.model_dump(mode="json"))
    assert restored.model_dump() == read.model_dump()
    assert restored.archive.workers == 5


def test_default_data_folder_is_beside_the_file(tmp_path: Path) -> None:
    assert Settings.load(written(tmp_path / "etc", "")).data_dir == tmp_path / "etc" / "data"


def test_first_day_before_2015() -> None:
    error = refused("[archive]\nfirst_day = 2014-12-31\n")
    assert "archive.first_day" in error.message
    assert "before 2015-01-01 have another form and are not supported" in error.message
    path = written(Path.cwd(), "[archive]\nfirst_day = 2015-01-02\n")
    assert Settings.load(path).archive.first_day == date(2015, 1, 2)


@pytest.mark.parametrize(
    "url", ["https://user:hunter2@x.org/a", "http://hunter2@x.org", "https://:hunter2@x.org:80"]
)
def test_url_with_credentials(url: str) -> None:
    assert (
        "credentials in a URL are not allowed"
        in refused(f'[archive]\nsources = ["{url}"]\n').message
    )


def test_refused_credentials_are_not_repeated() -> None:
    for text in (
        '[archive]\nsources = ["https://user:hunter2@x.org/a"]\n',
        "[huggingface]\nendpoint = 'https://user:hunter2@x'\n",
        "[github]\nendpoint = 'https://user:hunter2@x'\n",
    ):
        error = refused(text)
        assert "hunter2" not in str(error) + str(error.__cause__)


def test_an_at_sign_in_a_path_is_no_credential() -> None:
    path = written(Path.cwd(), '[archive]\nsources = ["https://x.org/a@b", "/a@b"]\n')
    assert Settings.load(path).archive.sources == ["https://x.org/a@b", "/a@b"]


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("token = 'hunter2'\n", "token"),
        ("[github]\ntokens = ['hunter2']\n", "github.tokens"),
        ("[huggingface]\nhf_token = 'hunter2'\n", "huggingface.hf_token"),
        ("[archive.GitHub_Token]\nx = 'hunter2'\n", "archive.GitHub_Token"),
        ("[study]\nSecretKey = 'hunter2'\n", "study.SecretKey"),
    ],
)
def test_secrets_in_the_file(text: str, name: str) -> None:
    error = refused(text)
    assert f"The setting {name} in " in error.message
    assert "looks like a secret" in error.message
    assert "environment only" in error.remedy
    assert "hunter2" not in str(error)


@pytest.mark.parametrize("data", [b"[archive\n", b"a = \n", b"\xff\xfe"])
def test_file_that_is_no_toml(data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "osmoscope.toml"
    path.write_bytes(data)
    with pytest.raises(SettingsError, match="is not valid TOML"):
        Settings.load(path)


TOKENS = {"GITHUB_TOKEN": Settings.github_tokens, "HF_TOKEN": Settings.hub_tokens}


@pytest.mark.parametrize("variable", TOKENS)
def test_tokens_are_taken_from_the_environment(
    variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    tokens = TOKENS[variable]
    assert tokens() == []
    monkeypatch.setenv(variable, "hunter2")
    assert tokens() == ["hunter2"]
    assert "hunter2" not in repr(Settings.load()) + Settings.load().model_dump_json()
    monkeypatch.setenv(variable, " b, a\n,hunter2,,a\tb ")
    assert tokens() == ["b", "a", "hunter2"]
    for empty in ("", " , ", "\n"):
        monkeypatch.setenv(variable, empty)
        assert tokens() == []
    others = [other for name, other in TOKENS.items() if name != variable]
    assert [other() for other in others] == [[]]


def test_mining_has_defaults_and_bounds() -> None:
    settings = Settings.load()
    assert settings.github.source == "api"
    assert settings.github.endpoint == "https://api.github.com"
    assert settings.huggingface.repository_types == ["model", "dataset", "space"]
    assert settings.huggingface.gated_access == "report"
    assert settings.mining_dir == settings.data_dir / "state" / "mining"
    path = written(Path.cwd(), "[github]\nendpoint = 'http://127.0.0.1:80/github/'\n")
    assert Settings.load(path).github.endpoint == "http://127.0.0.1:80/github"


def test_gated_access_is_refused_where_it_is_used_and_not_when_it_is_read() -> None:
    path = written(Path.cwd(), "[huggingface]\ngated_access = 'request'\n")
    hub = Settings.load(path).huggingface
    assert (hub.gated_access, hub.gated_confirmation) == ("request", None)


def test_a_limit_on_tokens_is_no_secret_and_a_text_is(tmp_path: Path) -> None:
    path = tmp_path / "osmoscope.toml"
    path.write_text("[study.themes.llm]\nmax_tokens = 5000\n")
    assert Settings.load(path).study.themes.llm.max_tokens == 5000
    path.write_text('[study.themes.llm]\nmax_tokens = "sk-canary"\n')
    with pytest.raises(SettingsError, match="looks like a secret") as caught:
        Settings.load(path)
    assert "canary" not in str(caught.value)


def test_the_reference_coder_is_one_that_codes(tmp_path: Path) -> None:
    path = tmp_path / "osmoscope.toml"
    path.write_text('[study.themes]\nreference = "llm"\n')
    with pytest.raises(SettingsError, match="themes"):
        Settings.load(path)
