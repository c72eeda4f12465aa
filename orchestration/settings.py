"""All settings of an installation, validated, from one place.

Belongs here: names, types, defaults and limits of settings, and where tokens come from. Does
not belong here: what the settings are used for.

Order of precedence: environment (`OSMOSCOPE_ARCHIVE__WORKERS=4`), then `osmoscope.toml`, then
the defaults. Tokens come from the environment only.
"""

import os
import re
import tomllib
from datetime import date
from difflib import get_close_matches
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic.fields import FieldInfo
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from orchestration.failures import SettingsError

PREFIX = "OSMOSCOPE_"
CONFIG_VARIABLE = "OSMOSCOPE_CONFIG"
CONFIG_NAME = "osmoscope.toml"
# Variables that carry the prefix and are not settings: where the file is, and what dbt is told.
NOT_SETTINGS = {
    CONFIG_VARIABLE,
    "OSMOSCOPE_EMAIL_SALT",
    "OSMOSCOPE_LAKE",
    "OSMOSCOPE_WAREHOUSE",
    "OSMOSCOPE_MIN_DAY",
    "OSMOSCOPE_ACTOR_MODEL",
    "OSMOSCOPE_MAX_DAY",
}
MEGABYTE = 1024 * 1024
# What stands before the host of a URL, inside the representation of a value.
_CREDENTIALS = re.compile(r"://[^\s'\"]*@")
_ENDPOINT = r"^https?://[^@\s]+$"
GITHUB_TOKEN_VARIABLE, HUB_TOKEN_VARIABLE = "GITHUB_TOKEN", "HF_TOKEN"
TOKEN_VARIABLES = (GITHUB_TOKEN_VARIABLE, HUB_TOKEN_VARIABLE)
_BETWEEN_TOKENS = re.compile(r"[\s,]+")


class Section(BaseModel):
    """A table of the file: unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class ArchiveSettings(Section):
    """GH Archive: where its hours come from, and the bounds of what is accepted."""

    sources: list[str] = Field(
        default=["https://data.gharchive.org"],
        min_length=1,
        description="Base URLs or local folders, the primary first, then mirrors.",
    )
    first_day: date = Field(default=date(2015, 1, 1), description="First daily partition, UTC.")
    workers: int = Field(default=2, ge=1, le=24, description="Hours converted at the same time.")
    max_line_bytes: int = Field(default=16 * MEGABYTE, ge=1024, le=256 * MEGABYTE)
    max_hour_bytes: int = Field(default=8192 * MEGABYTE, ge=MEGABYTE)
    max_ratio: float = Field(
        default=100.0, gt=1, description="Largest unpacked size over packed size of one hour."
    )
    memory_megabytes: int = Field(
        default=400, ge=128, description="DuckDB's memory limit for each worker."
    )
    thin_share: float = Field(
        default=0.3,
        ge=0,
        le=1,
        description="An hour below this share of the median of its hour of week is thin.",
    )
    keep_email_domain: bool = Field(
        default=False, description="Keep the domain beside the hash of an address."
    )
    timeout_seconds: float = Field(default=60.0, gt=0, le=3600)
    attempts: int = Field(default=4, ge=1, le=20, description="Tries for each source and hour.")

    @field_validator("first_day")
    @classmethod
    def _not_before_events_api(cls, value: date) -> date:
        if value < date(2015, 1, 1):
            raise ValueError("archives before 2015-01-01 have another form and are not supported")
        return value

    @field_validator("sources")
    @classmethod
    def _without_credentials(cls, value: list[str]) -> list[str]:
        for source in value:
            if "://" in source and not source.startswith(("http://", "https://")):
                raise ValueError("a source is a http(s) base URL or a local folder")
            if "://" in source and "@" in source.split("://", 1)[1].split("/", 1)[0]:
                raise ValueError("credentials in a URL are not allowed")
        return value


class GitHubSettings(Section):
    """GitHub's API: what is asked for beside the archive's events, and how fast."""

    source: Literal["api", "off"] = "api"
    endpoint: str = Field(default="https://api.github.com", pattern=_ENDPOINT)
    repository_limit: int = Field(
        default=20_000,
        ge=0,
        description="How many of the archive's most active repositories are polled for stocks.",
    )
    history_limit: int = Field(
        default=1000,
        ge=0,
        description="How many of the most starred are asked for commits, issues and pulls.",
    )
    commit_limit: int | None = Field(
        default=None,
        ge=1,
        description="Newest commits that are read of a repository; none: all.",
    )
    nightly_limit: int = Field(
        default=500, ge=0, description="How many of the most starred are polled every night."
    )
    rotation_nights: int = Field(
        default=90, ge=1, le=3650, description="Nights until all others were polled once."
    )
    member_limit: int = Field(
        default=5000,
        ge=0,
        description="How many of the most starred have their organisation's members listed.",
    )
    member_nights: int = Field(
        default=14, ge=1, le=3650, description="Nights between two looks at an organisation."
    )
    batch_size: int = Field(default=100, ge=1, le=100, description="Repositories for one query.")
    workers: int = Field(default=8, ge=1, le=100, description="Requests at the same time.")
    attempts: int = Field(default=6, ge=1, le=20, description="Tries for each request.")
    timeout_seconds: float = Field(default=60.0, gt=0, le=3600)

    @field_validator("endpoint")
    @classmethod
    def _no_slash_at_its_end(cls, value: str) -> str:
        return value.rstrip("/")


class HuggingFaceSettings(Section):
    """Hugging Face Hub: the live API, or a dump of it."""

    source: Literal["api", "dump", "off"] = "api"
    dump: list[Path] = Field(
        default=list[Path](), description="Files of a dump, for source = 'dump'."
    )
    dump_observed_on: date | None = Field(default=None, description="Day the dump describes.")
    endpoint: str = Field(default="https://huggingface.co", pattern=_ENDPOINT)
    page_size: int = Field(default=1000, ge=1, le=1000)
    repository_types: list[Literal["model", "dataset", "space"]] = Field(
        default=["model", "dataset", "space"],
        min_length=1,
        description="Which kinds of repositories are listed.",
    )
    model_limit: int | None = Field(
        default=None, ge=1, description="Stop the listing after so many models; none: all."
    )
    history_limit: int = Field(
        default=1000,
        ge=0,
        description="How many of the most liked models are asked for commits and discussions.",
    )
    nightly_limit: int = Field(
        default=25,
        ge=0,
        description="How many of the most liked are asked for discussions every night.",
    )
    rotation_nights: int = Field(
        default=90, ge=1, le=3650, description="Nights until all others were asked once."
    )
    liker_limit: int = Field(
        default=100,
        ge=0,
        description="How many of the most liked have their likers listed when their number moved.",
    )
    account_nights: int = Field(
        default=30, ge=1, le=3650, description="Nights between two looks at an account."
    )
    workers: int = Field(default=4, ge=1, le=100, description="Requests at the same time.")
    attempts: int = Field(default=6, ge=1, le=20, description="Tries for each request.")
    timeout_seconds: float = Field(default=60.0, gt=0, le=3600)
    gated_access: Literal["report", "request"] = Field(
        default="report",
        description="Whether gated repositories are told of only, or access is asked for by "
        "`osmoscope mine request-access`.",
    )
    gated_confirmation: str | None = Field(
        default=None,
        max_length=1000,
        description="The operator's agreement in the words of assets.huggingface.access.",
    )
    gated_daily_limit: int = Field(
        default=20, ge=1, le=1000, description="Most requests for access on one day."
    )

    @field_validator("repository_types")
    @classmethod
    def _each_once(cls, value: list[str]) -> list[str]:
        if len(set(value)) < len(value):
            raise ValueError("each type of repository may be named once")
        return value


SIZE_COLUMNS = (
    "commit_flow_count", "push_flow_count", "issue_flow_count", "pull_request_flow_count",
    "star_flow_count", "fork_flow_count", "actor_flow_count", "commit_stock_count",
    "discussion_stock_count", "star_stock_count", "download_30d_stock_count",
)  # fmt: skip


class SampleSettings(Section):
    """How the study samples each platform's repositories; docs/sampling.md says what it means."""

    designs: list[Literal["paper", "proportional", "neyman", "equal", "matched"]] = Field(
        default=["paper", "proportional", "neyman", "matched"],
        min_length=1,
        description="Allocations of which a sample is drawn.",
    )
    size: int | None = Field(
        default=None,
        ge=1,
        description="Repositories of each platform; none: as many as the Hub's frame has.",
    )
    least: int = Field(default=30, ge=2, description="Drawn of each stratum that has so many.")
    breaks: list[int] = Field(
        default=[0, 1, 2, 4, 10, 32, 100, 316, 1000, 3162, 10000],
        min_length=1,
        max_length=100,
        description="Stars or likes with which each stratum begins.",
    )
    take_all: Literal["auto"] | dict[str, int] = Field(
        default="auto",
        description="What is taken whole: auto, the largest by the frame's own numbers; or column"
        " of mart_repository_activity to the value from which on; or nothing, {}.",
    )
    frame_start: date = Field(
        default=date(2016, 1, 1), description="Repositories made before this day (UTC) are out."
    )
    reject: list[Literal["before_start", "gone", "fork"]] = Field(
        default=["before_start", "gone"],
        description="What rejects a repository that was drawn, once it is known.",
    )
    selection: Literal["fixed", "rate"] = Field(
        default="fixed",
        description="Keep each stratum's number, or its rate: then nobody drawn is ever given up.",
    )
    feature: Literal["commits", "discussions", "stars"] = Field(
        default="commits", description="Whose spread the allocation neyman follows."
    )
    match_quarter: bool = Field(
        default=True, description="Whether matched goes by quarter of creation beside likes."
    )
    ranks: list[Literal["stars", "forks", "commits", "downloads", "actors"]] = Field(
        default=["stars", "forks", "commits", "downloads", "actors"],
        description="By what the largest repositories are cut.",
    )
    top_n: list[int] = Field(default=[1000, 10_000], description="How many a cut has.")
    memory_megabytes: int = Field(
        default=2000, ge=128, description="DuckDB's memory limit while drawing."
    )

    @field_validator("designs", "reject", "ranks", "top_n")
    @classmethod
    def _each_once(cls, value: list[Any]) -> list[Any]:
        if len(set(value)) < len(value):
            raise ValueError("each may be named once")
        return value

    @field_validator("breaks")
    @classmethod
    def _classes(cls, value: list[int]) -> list[int]:
        if value[0] != 0:
            raise ValueError("the first stratum begins with 0")
        if any(low >= high for low, high in pairwise(value)):
            raise ValueError("breaks ascend")
        return value

    @field_validator("take_all", mode="before")
    @classmethod
    def _columns_and_values(cls, value: Any) -> Any:
        if value == "auto":
            return value
        if not isinstance(value, dict):
            raise ValueError('give "auto", or columns with values as { star_flow_count = 500 }')
        for column, bound in value.items():
            if column not in SIZE_COLUMNS:
                raise ValueError(f"{column} is none of {', '.join(SIZE_COLUMNS)}")
            if isinstance(bound, bool) or not isinstance(bound, int) or bound < 1:
                raise ValueError(f"{column} = {bound!r} is no whole number from 1")
        return value

    @field_validator("top_n")
    @classmethod
    def _at_least_one(cls, value: list[int]) -> list[int]:
        if any(number < 1 for number in value):
            raise ValueError("a cut has at least one repository")
        return value


BotPolicy = Literal["none", "paper", "conservative", "aggressive"]
Design = Literal["census", "paper", "proportional", "neyman", "equal", "matched"]
Weighting = Literal["unweighted", "weighted"]
Exposure = Literal["total", "per_month", "matched_quarter"]
_CUT = r"^(all|in_frame|top_(stars|forks|commits|downloads|actors)_[1-9][0-9]{0,8})$"
Cut = Annotated[str, Field(pattern=_CUT)]


class CellSettings(Section):
    """One way to compute a figure; docs/statistics.md says what each name means."""

    bot_policy: BotPolicy = "none"
    cut: Cut = "all"
    design: Design = "census"
    weighting: Weighting = "unweighted"
    exposure: Exposure = "total"

    @model_validator(mode="after")
    def _weights_are_of_samples(self) -> Self:
        if self.design == "census" and self.weighting == "weighted":
            raise ValueError("a census has no weights: name a design, or unweighted")
        return self


class GridSettings(Section):
    """In which other ways every figure of the study is computed beside the reference."""

    reference: CellSettings = Field(
        default=CellSettings(), description="The way that headlines are computed in."
    )
    policies: list[BotPolicy] = ["none", "paper", "conservative", "aggressive"]
    cuts: list[Cut] | None = Field(
        default=None,
        description="By default all, in_frame, and the most starred of each sample.top_n.",
    )
    designs: list[Design] | None = Field(
        default=None, description="By default the census, and all of sample.designs."
    )
    weightings: list[Weighting] = ["unweighted", "weighted"]
    exposures: list[Exposure] = ["total", "per_month", "matched_quarter"]
    combine: Literal["one_by_one", "all"] = Field(
        default="one_by_one",
        description="Each alternative alone beside the reference, or every combination of them.",
    )
    bootstrap_draws: int = Field(
        default=2000, ge=100, le=100_000, description="Draws of owners that intervals rest on."
    )
    most_repositories: int = Field(
        default=5_000_000,
        ge=1000,
        description="Repositories of a platform that a cell holds; of more, a random part does.",
    )
    distribution_days: int = Field(
        default=90, ge=1, description="Newest days whose binned distributions are kept."
    )
    silence_days: int = Field(
        default=180, ge=1, description="Days without an act after which activity has ended."
    )

    @field_validator("policies", "cuts", "designs", "weightings", "exposures")
    @classmethod
    def _each_once(cls, value: list[Any] | None) -> list[Any] | None:
        if value is not None and len(set(value)) < len(value):
            raise ValueError("each may be named once")
        return value


Rank = Literal["stars", "forks", "commits", "downloads", "actors"]
Semantics = Literal["pairwise_gap", "trailing", "calendar"]


class NetworkCellSettings(Section):
    """One way to make a network; docs/networks.md says what each name means."""

    bot_policy: BotPolicy = "paper"
    staff: Literal["in", "out"] = "in"
    unit: Literal["repository", "family"] = "repository"
    rank: Rank = "stars"
    top_count: int = Field(default=10_000, ge=1)


class NetworkSettings(Section):
    """Which networks are measured, and in which other ways beside the reference."""

    reference: NetworkCellSettings = Field(
        default=NetworkCellSettings(), description="The way that headlines are computed in."
    )
    window_days: int = Field(
        default=365, ge=1, description="Of repository networks: acts at most so far apart link."
    )
    policies: list[BotPolicy] = ["none", "paper", "conservative", "aggressive"]
    staffs: list[Literal["in", "out"]] = ["in", "out"]
    units: list[Literal["repository", "family"]] = ["repository", "family"]
    ranks: list[Rank] = Field(default=["stars"], description="Ranks by which the top is cut.")
    top_counts: list[int] = Field(
        default=[1000, 2000, 5000, 20_000, 50_000], description="Other sizes of the cut."
    )
    windows: list[Annotated[int, Field(ge=1)]] = Field(
        default=[90, 180, 730],
        description="Other windows of repository networks, in days; and once without any.",
    )
    semantics: list[Semantics] = Field(
        default=["trailing", "calendar"], description="Other meanings of the window."
    )
    null_draws: int = Field(
        default=20, ge=2, le=10_000, description="Rewired networks behind each z-score."
    )
    most_null_memberships: int = Field(
        default=5_000_000,
        ge=0,
        description="Pairs of actor and repository up to which a night rewires a network.",
    )
    community_runs: int = Field(
        default=100, ge=1, le=10_000, description="Runs behind each consensus of communities."
    )
    unlisted_runs: int = Field(
        default=5,
        ge=1,
        le=10_000,
        description="The same of networks whose edges are too many to be listed.",
    )
    most_projection_gb: float = Field(
        default=2.0, gt=0, description="Memory up to which a network's edges are listed at all."
    )
    most_structure_edges: int = Field(
        default=5_000_000,
        ge=0,
        description="Edges up to which a night measures clustering, cores and communities.",
    )
    layout_nodes: int = Field(
        default=1500, ge=10, le=20_000, description="Nodes in the picture of the communities."
    )

    @field_validator("top_counts")
    @classmethod
    def _at_least_one(cls, value: list[int]) -> list[int]:
        if any(number < 1 for number in value):
            raise ValueError("a cut has at least one repository")
        return value


class LlmSettings(Section):
    """The language model that codes posts; docs/themes-llm.md says what each value means."""

    provider: Literal["off", "anthropic", "openai"] = Field(
        default="off",
        description="Whose protocol: openai is that of any compatible endpoint. Posts are sent"
        " there; the key comes from the environment.",
    )
    model: str = Field(default="", max_length=200, description="As the endpoint names it.")
    base_url: str | None = Field(
        default=None, pattern=_ENDPOINT, description="The endpoint; none: the provider's own."
    )
    # Not checked here: the message would show a key that was put in the name's place.
    api_key_variable: str | None = Field(
        default=None, description="NAME of the variable with the endpoint's key."
    )
    answer_form: Literal["tool", "schema", "text"] = Field(
        default="tool", description="How the model is made to answer in the wanted form."
    )
    temperature: float | None = Field(default=0.0, ge=0, le=2)
    seed: int | None = Field(default=2016, ge=0, lt=2**31)
    max_output_tokens: int = Field(default=1000, ge=100, le=100_000, description="For one text.")
    texts_per_request: int = Field(
        default=1, ge=1, le=20, description="1 keeps texts from swaying each other's coding."
    )
    max_characters: int = Field(
        default=6000, ge=200, le=100_000, description="Of a body, its beginning and its end."
    )
    concurrency: int = Field(default=4, ge=1, le=64, description="Requests at the same time.")
    requests_per_minute: float | None = Field(default=120.0, ge=0.1, le=100_000)
    timeout_seconds: float = Field(default=120.0, ge=0.01, le=3600)
    attempts: int = Field(default=5, ge=1, le=10, description="Tries for each request.")
    longest_wait_seconds: float = Field(
        default=120.0, ge=1, le=3600, description="An endpoint that asks for more ends the run."
    )
    max_requests: int | None = Field(default=None, ge=0, description="Of one run.")
    max_tokens: int | None = Field(default=None, ge=0, description="Of one run.")
    max_cost: float | None = Field(default=None, ge=0, description="US dollars of one run.")
    input_price: float | None = Field(
        default=None, ge=0, description="US dollars for a million tokens, where none is listed."
    )
    output_price: float | None = Field(default=None, ge=0)


class ThemeSettings(Section):
    """What people ask for: who codes opening posts, and how; docs/themes.md says what it means."""

    coders: list[Literal["linear", "encoder", "llm"]] = Field(
        default=["linear"],
        min_length=1,
        description="Who codes every new post. `linear` needs no key, no network and no model;"
        " `encoder` needs its packages, `llm` an endpoint and mostly a key.",
    )
    reference: Literal["linear", "encoder", "llm"] = Field(
        default="linear", description="The coder of headlines and of the claims compared."
    )
    bot_policy: BotPolicy = Field(
        default="paper", description="Whose posts are left out of prevalences."
    )
    abstain_below: float = Field(
        default=0.35,
        ge=0,
        lt=1,
        description="A post whose most probable theme is less probable counts as `others`.",
    )
    training_limit: int = Field(
        default=20_000,
        ge=100,
        le=20_000,
        description="Posts that an offline coder is trained on at most.",
    )
    retrain_growth: float = Field(
        default=2.0,
        gt=1,
        description="The offline coder is trained anew when there are so many times more posts than"
        " when it was trained; all posts are then coded anew.",
    )
    margin: float = Field(
        default=0.05,
        gt=0,
        lt=0.5,
        description="Half width of the interval of 95 % that a verification sample is sized for.",
    )
    llm: LlmSettings = LlmSettings()

    @model_validator(mode="after")
    def _reference_codes(self) -> Self:
        if self.reference not in self.coders:
            raise ValueError(f"themes.reference is {self.reference}, which themes.coders lacks")
        return self


class StudySettings(Section):
    """The study whose results carry this name."""

    name: str = Field(default="paper", pattern=r"^[a-z][a-z0-9_]{0,40}$")
    seed: int = Field(default=2016, ge=0)
    sample: SampleSettings = SampleSettings()
    grid: GridSettings = GridSettings()
    networks: NetworkSettings = NetworkSettings()
    themes: ThemeSettings = ThemeSettings()

    @model_validator(mode="after")
    def _networks_can_be_cut(self) -> Self:
        for rank in (*self.networks.ranks, self.networks.reference.rank):
            if rank not in self.sample.ranks:
                raise ValueError(f"networks are cut by {rank}, which sample.ranks lacks")
        return self

    @model_validator(mode="after")
    def _cells_can_be_made(self) -> Self:
        grid, sample = self.grid, self.sample
        for design in (*(grid.designs or ()), grid.reference.design):
            if design not in ("census", *sample.designs):
                raise ValueError(f"the grid names the design {design}, which sample.designs lacks")
        for cut in (*(grid.cuts or ()), grid.reference.cut):
            if not cut.startswith("top_"):
                continue
            _, rank, number = cut.split("_")
            if rank not in sample.ranks:
                raise ValueError(f"the grid's cut {cut} needs {rank} in sample.ranks")
            if int(number) > max(sample.top_n, default=0):
                raise ValueError(f"the grid's cut {cut} needs {number} in sample.top_n")
        return self


class PrivacySettings(Section):
    """Who is to be nowhere, and whose names the published copy shows."""

    opt_out: Path | None = Field(
        default=None,
        description="The private opt-out list; by default private/opt_out.csv in data_dir.",
    )
    published_names: Literal["all", "organisations", "none"] = Field(
        default="organisations",
        description="Whose repositories keep their names in the published copy: a name has its "
        "owner's login in it. All others have a keyed pseudonym.",
    )


class PublishSettings(Section):
    """The analysts' copy."""

    keep_versions: int = Field(default=3, ge=1, le=1000)
    planted: Path | None = Field(
        default=None,
        description="JSON of what was planted in synthetic data; the report then says so.",
    )


class ScheduleSettings(Section):
    """When the nightly job starts, UTC."""

    # GitHub's feed is documented to lag by up to six hours, the archive by about one more.
    nightly_cron: str = Field(default="15 7 * * *", pattern=r"^(\S+\s+){4}\S+$")
    nightly_enabled: bool = Field(
        default=False, description="Whether the schedule runs without being switched on in the UI."
    )


class _Environment(EnvSettingsSource):
    """Variables, whose lists and tables are JSON; a value that is none is refused by name."""

    def decode_complex_value(self, field_name: str, field: FieldInfo, value: Any) -> Any:
        try:
            return super().decode_complex_value(field_name, field, value)
        except ValueError as error:
            ending = field_name.upper()
            variable = next((name for name in os.environ if name.upper().endswith(ending)), ending)
            raise SettingsError(
                f"The environment variable {variable} is not JSON.",
                """Give a list as ["/a/folder", "https://example.org"], a table as {"key": "x"}.""",
            ) from error


class Settings(BaseSettings):
    """An installation's settings; see the README for an example of the file."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_nested_delimiter="__",
        extra="forbid",
        frozen=True,
        # A wrong value may be a URL with a password; `_explained` tells what may be told.
        hide_input_in_errors=True,
    )

    data_dir: Path = Path("data")
    archive: ArchiveSettings = ArchiveSettings()
    github: GitHubSettings = GitHubSettings()
    huggingface: HuggingFaceSettings = HuggingFaceSettings()
    study: StudySettings = StudySettings()
    privacy: PrivacySettings = PrivacySettings()
    publish: PublishSettings = PublishSettings()
    schedule: ScheduleSettings = ScheduleSettings()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The environment wins over what `load` read from the file."""
        return _Environment(settings_cls), init_settings

    @classmethod
    def load(cls, path: Path | None = None) -> "Settings":
        """Read the file (if there is one) and the environment.

        A relative path is meant from where it is written: in the file from the file's folder, in
        a variable (and by default) from the current folder.

        Args:
            path: the file; by default `$OSMOSCOPE_CONFIG`, else `osmoscope.toml` here.

        Raises:
            SettingsError: naming the setting and what is allowed.
        """
        named = path or (
            Path(os.environ[CONFIG_VARIABLE]) if CONFIG_VARIABLE in os.environ else None
        )
        file = named or Path(CONFIG_NAME)
        if named is not None and not named.is_file():
            raise SettingsError(f"The settings file {named} does not exist.", "Check its path.")
        values = _anchored(_read_toml(file), file.resolve().parent) if file.is_file() else {}
        _refuse_unknown_variables()
        try:
            settings = cls(**values)
        except ValidationError as error:
            raise _explained(error) from error
        # A run may pass through other folders; where the data lies must not move with it.
        return settings._absolute(Path.cwd())

    @staticmethod
    def restored(values: dict[str, Any]) -> "Settings":
        """The settings that `model_dump(mode="json")` gave, whatever the environment says now."""
        return _Restored(**values)

    def _absolute(self, folder: Path) -> "Settings":
        """The same settings with every relative path from `folder`."""
        sources = [
            source if "://" in source else str(folder / source) for source in self.archive.sources
        ]
        dump = [folder / path for path in self.huggingface.dump]
        planted = None if self.publish.planted is None else folder / self.publish.planted
        opt_out = None if self.privacy.opt_out is None else folder / self.privacy.opt_out
        return self.model_copy(
            update={
                "data_dir": folder / self.data_dir,
                "archive": self.archive.model_copy(update={"sources": sources}),
                "huggingface": self.huggingface.model_copy(update={"dump": dump}),
                "privacy": self.privacy.model_copy(update={"opt_out": opt_out}),
                "publish": self.publish.model_copy(update={"planted": planted}),
            }
        )

    @property
    def lake_root(self) -> Path:
        return self.data_dir / "lake"

    @property
    def warehouse_path(self) -> Path:
        return self.data_dir / "warehouse.duckdb"

    @property
    def themes_dir(self) -> Path:
        """What people and paid models said of posts: not to be had again."""
        return self.data_dir / "themes"

    @property
    def published_dir(self) -> Path:
        return self.data_dir / "published"

    @property
    def state_dir(self) -> Path:
        """Locks, dbt's artefacts and what else can be made again."""
        return self.data_dir / "state"

    @property
    def dbt_dir(self) -> Path:
        """What dbt parsed and compiled, and its logs."""
        return self.state_dir / "dbt"

    @property
    def actor_model_path(self) -> Path:
        """The model of accounts that was trained here, if one was."""
        return self.state_dir / "actors" / "model.skops"

    @property
    def private_dir(self) -> Path:
        """Salt, keys and the opt-out list: nobody else's to read, and never published."""
        return self.data_dir / "private"

    @property
    def opt_out_path(self) -> Path:
        """The opt-out list."""
        return self.privacy.opt_out or self.private_dir / "opt_out.csv"

    @property
    def mining_dir(self) -> Path:
        """Journals of nights under way, one for each source."""
        return self.state_dir / "mining"

    @staticmethod
    def github_tokens() -> list[str]:
        """GitHub's tokens from the environment, each once, never stored."""
        return _tokens_in(GITHUB_TOKEN_VARIABLE)

    @staticmethod
    def hub_tokens() -> list[str]:
        """The Hub's tokens from the environment, each once, never stored."""
        return _tokens_in(HUB_TOKEN_VARIABLE)


class _Restored(Settings):
    """Settings that were read before: nothing else is looked at."""

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return (init_settings,)


def _tokens_in(variable: str) -> list[str]:
    """Tokens between commas and blanks, in the order in which they stand."""
    found = _BETWEEN_TOKENS.split(os.environ.get(variable, ""))
    return list(dict.fromkeys(token for token in found if token))


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path} is not valid TOML: {error}.", "Correct that line.") from error
    for name, value in _named(values):
        is_secret = "token" in name.lower() or "secret" in name.lower()
        # A limit on a model's tokens is a number, and no secret.
        if is_secret and not isinstance(value, int | float):
            raise SettingsError(
                f"The setting {name} in {path} looks like a secret.",
                "Tokens are read from the environment only (HF_TOKEN, GITHUB_TOKEN).",
            )
    return values


def _anchored(values: dict[str, Any], folder: Path) -> dict[str, Any]:
    """The values of a file with its relative paths, the default of `data_dir` too, from `folder`.

    Values of a wrong type are left as they are, for the validation to refuse.
    """

    def path(value: Any) -> Any:
        return str(folder / value) if isinstance(value, str) and "://" not in value else value

    anchored = {"data_dir": str(Settings.model_fields["data_dir"].default), **values}
    anchored["data_dir"] = path(anchored["data_dir"])
    paths = (
        ("archive", "sources"), ("huggingface", "dump"), ("privacy", "opt_out"),
        ("publish", "planted"),
    )  # fmt: skip
    for section, name in paths:
        given = values.get(section)
        if isinstance(given, dict) and name in given:
            value = given[name]
            value = [path(item) for item in value] if isinstance(value, list) else path(value)
            anchored[section] = {**given, name: value}
    return anchored


def _named(values: dict[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    """All settings of a file with their values; tables by name alone."""
    named: list[tuple[str, Any]] = []
    for key, value in values.items():
        if isinstance(value, dict):
            named += [(prefix + key, ""), *_named(value, f"{prefix}{key}.")]
        else:
            named.append((prefix + key, value))
    return named


def _allowed(model: type[BaseModel]) -> list[str]:
    return sorted(model.model_fields)


def _section(location: tuple[str | int, ...]) -> type[BaseModel]:
    """The class that holds the last named setting of an error's location."""
    model: type[BaseModel] = Settings
    for part in location[:-1]:
        field = model.model_fields.get(str(part))
        if field is None or not isinstance(field.annotation, type):
            break
        if issubclass(field.annotation, BaseModel):
            model = field.annotation
    return model


def _refuse_unknown_variables() -> None:
    known = {
        f"{PREFIX}{name}{rest}".upper()
        for name, field in Settings.model_fields.items()
        for rest in ["", *(f"__{inner}" for inner in _inner_names(field.annotation))]
    }
    for variable in os.environ:
        upper = variable.upper()
        if upper.startswith(PREFIX) and upper not in known | NOT_SETTINGS:
            near = get_close_matches(upper, known, n=1)
            raise SettingsError(
                f"The environment variable {variable} is no setting.",
                (f"Did you mean {near[0]}? " if near else "")
                + f"Allowed: {', '.join(sorted(known))}.",
            )


def _inner_names(annotation: object) -> list[str]:
    if not (isinstance(annotation, type) and issubclass(annotation, BaseModel)):
        return []
    names: list[str] = []
    for name, field in annotation.model_fields.items():
        names += [name, *(f"{name}__{inner}" for inner in _inner_names(field.annotation))]
    return names


def _explained(error: ValidationError) -> SettingsError:
    """The first mistake as one line with the setting's name and what is allowed."""
    first = error.errors()[0]
    name = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        names = _allowed(_section(first["loc"]))
        near = get_close_matches(str(first["loc"][-1]), names, n=1)
        return SettingsError(
            f"The setting {name} is unknown.",
            (f"Did you mean {near[0]}? " if near else "") + f"Allowed here: {', '.join(names)}.",
        )
    given = _CREDENTIALS.sub("://...@", repr(first["input"]))
    return SettingsError(
        f"The setting {name} is wrong: {first['msg']} (given: {given}).",
        "Correct it in the file or the environment.",
    )
