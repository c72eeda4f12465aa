"""What was planted in synthetic data, for results to be held against.

Belongs here: reading it. Does not belong here: planting it (the twin), or computing any figure: no
estimate ever sees it.
"""

import json
from pathlib import Path
from typing import Any

from orchestration.failures import SettingsError


def planted_truth(path: Path | None) -> dict[str, Any] | None:
    """What was planted in synthetic data: platform to feature to basis to statistic to value.

    Raises:
        SettingsError: the file of the setting cannot be read.
    """
    if path is None:
        return None
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError) as error:
        raise SettingsError(
            f"The planted truth {path} of publish.planted cannot be read ({error}).",
            "Correct the setting, or remove it where the data are real.",
        ) from error
