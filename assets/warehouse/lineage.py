"""Column lineage of the dbt models, worked out once for each state of the project.

Belongs here: keeping what dagster-dbt found, and when it is still true. Does not belong here:
finding it (dagster-dbt, by parsing the SQL of each model).

Parsing costs seconds a night and gives the same every night, as long as nobody changes a model,
a macro or a source.
"""

import json
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

from orchestration.lake import write_atomically

FILE_NAME = "lineage.json"
# Model to column to the columns that it is made of, each as asset key and name.
Columns = dict[str, list[tuple[list[str], str]]]
Kept = dict[str, Columns]


def project_digest(manifest: Mapping[str, Any]) -> str:
    """A hash of everything in a dbt manifest that a model's lineage depends on."""
    parts = [
        *((name, node["checksum"]["checksum"]) for name, node in manifest["nodes"].items()),
        *((name, macro["macro_sql"]) for name, macro in manifest["macros"].items()),
        *((name, source["relation_name"]) for name, source in manifest["sources"].items()),
    ]
    return sha256(json.dumps(sorted(parts)).encode()).hexdigest()


class LineageStore:
    """Lineage by model, of one state of the project.

    Attributes:
        known: the models whose lineage need not be worked out.
    """

    def __init__(self, folder: Path, manifest: Mapping[str, Any]) -> None:
        self._path = folder / FILE_NAME
        self._digest = project_digest(manifest)
        self.known: Kept = self._read()

    def _read(self) -> Kept:
        try:
            kept = json.loads(self._path.read_text(encoding="utf-8"))
            return dict(kept["models"]) if kept["digest"] == self._digest else {}
        except (OSError, ValueError, KeyError, TypeError):
            return {}

    def learn(self, found: Kept) -> None:
        """Keep the lineage of some models, for other nights."""
        if found:
            self.known.update(found)
            kept = {"digest": self._digest, "models": self.known}
            write_atomically(self._path, json.dumps(kept, sort_keys=True))
