"""All settings of an installation, validated, from one place.

Belongs here: names, types, defaults and limits of settings, and where tokens come from. Does
not belong here: what the settings are used for.

Order of precedence: environment (`OSMOSCOPE_ARCHIVE__WORKERS=4`), then `osmoscope.toml`, then
the defaults. Tokens come from the environment only.
"""

import os
import tomllib
from datetime import date
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from orchestration.failures import SettingsError

PREFIX = "OSMOSCOPE_"
CONFIG_VARIABLE = "OSMOSCOPE_CONFIG"
CONFIG_NAME = "osmoscope.toml"
# Variables that carry the prefix and are not settings: where the file is, and what dbt is told.
NOT_SETTINGS = {CONFIG_VARIABLE, "OSMOSCOPE_LAKE", "OSMOSCOPE_WAREHOUSE", "OSMOSCOPE_EMAIL_SALT"}
MEGABYTE = 1024 * 1024


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


class HuggingFaceSettings(Section):
    """Hugging Face Hub: the live API, or a dump of it."""

    source: Literal["api", "dump", "off"] = "api"
    dump: list[Path] = Field(default=[], description="Files of a dump, for source = 'dump'.")
    dump_observed_on: date | None = Field(default=None, description="Day the dump describes.")
    endpoint: str = Field(default="https://huggingface.co", pattern=r"^https?://[^@\s]+$")
    page_size: int = Field(default=1000, ge=1, le=1000)
    repository_types: list[Literal["model"]] = Field(default=["model"], min_length=1)
    model_limit: int | None = Field(
        default=None, ge=1, description="Stop the listing after so many models; none: all."
    )


class StudySettings(Section):
    """The study whose results carry this name."""

    name: str = Field(default="paper", pattern=r"^[a-z][a-z0-9_]{0,40}$")
    seed: int = Field(default=2016, ge=0)


class PublishSettings(Section):
    """The analysts' copy."""

    keep_versions: int = Field(default=3, ge=1, le=1000)


class ScheduleSettings(Section):
    """When the nightly job starts, UTC."""

    # GitHub's feed is documented to lag by up to six hours, the archive by about one more.
    nightly_cron: str = Field(default="15 7 * * *", pattern=r"^(\S+\s+){4}\S+$")


class Settings(BaseSettings):
    """An installation's settings; see the README for an example of the file."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_nested_delimiter="__", extra="forbid", frozen=True
    )

    data_dir: Path = Path("data")
    archive: ArchiveSettings = ArchiveSettings()
    huggingface: HuggingFaceSettings = HuggingFaceSettings()
    study: StudySettings = StudySettings()
    publish: PublishSettings = PublishSettings()
    schedule: ScheduleSettings = ScheduleSettings()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The environment wins over what `load` read from the file."""
        return env_settings, init_settings

    @classmethod
    def load(cls, path: Path | None = None) -> "Settings":
        """Read the file (if there is one) and the environment.

        Args:
            path: the file; by default `$OSMOSCOPE_CONFIG`, else `osmoscope.toml` here.

        Raises:
            SettingsError: naming the setting and what is allowed.
        """
        named = path or (Path(os.environ[CONFIG_VARIABLE]) if CONFIG_VARIABLE in os.environ else None)
        file = named or Path(CONFIG_NAME)
        if named is not None and not named.is_file():
            raise SettingsError(f"The settings file {named} does not exist.", "Check its path.")
        values = _read_toml(file) if file.is_file() else {}
        _refuse_unknown_variables()
        try:
            settings = cls(**values)
        except ValidationError as error:
            raise _explained(error) from error
        if file.is_file():
            settings = settings._relative_to(file.resolve().parent)
        return settings

    def _relative_to(self, folder: Path) -> "Settings":
        """Relative paths in the file are meant from where the file lies."""
        archive_sources = [
            source if "://" in source else str(folder / source) for source in self.archive.sources
        ]
        return self.model_copy(
            update={
                "data_dir": folder / self.data_dir,
                "archive": self.archive.model_copy(update={"sources": archive_sources}),
                "huggingface": self.huggingface.model_copy(
                    update={"dump": [folder / name for name in self.huggingface.dump]}
                ),
            }
        )

    @property
    def lake_root(self) -> Path:
        return self.data_dir / "lake"

    @property
    def warehouse_path(self) -> Path:
        return self.data_dir / "warehouse.duckdb"

    @property
    def published_dir(self) -> Path:
        return self.data_dir / "published"

    @property
    def state_dir(self) -> Path:
        """dbt's artefacts and what else can be made again."""
        return self.data_dir / "state"

    @staticmethod
    def hub_token() -> str | None:
        """The Hub token from the environment, never stored."""
        return os.environ.get("HF_TOKEN") or None


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path} is not valid TOML: {error}.", "Correct that line.") from error
    for name in _names(values):
        if "token" in name.lower() or "secret" in name.lower():
            raise SettingsError(
                f"The setting {name} in {path} looks like a secret.",
                "Tokens are read from the environment only (HF_TOKEN, GITHUB_TOKEN).",
            )
    return values


def _names(values: dict[str, Any], prefix: str = "") -> list[str]:
    names = []
    for key, value in values.items():
        names.append(prefix + key)
        if isinstance(value, dict):
            names += _names(value, f"{prefix}{key}.")
    return names


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
            raise SettingsError(
                f"The environment variable {variable} is no setting.",
                f"Allowed: {', '.join(sorted(known))}.",
            )


def _inner_names(annotation: object) -> list[str]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return list(annotation.model_fields)
    return []


def _explained(error: ValidationError) -> SettingsError:
    """The first mistake as one line with the setting's name and what is allowed."""
    first = error.errors()[0]
    name = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        allowed = ", ".join(_allowed(_section(first["loc"])))
        return SettingsError(f"The setting {name} is unknown.", f"Allowed here: {allowed}.")
    return SettingsError(
        f"The setting {name} is wrong: {first['msg']} (given: {first['input']!r}).",
        "Correct it in the file or the environment.",
    )
