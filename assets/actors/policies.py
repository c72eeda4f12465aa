"""Bot policies: whose acts are left out. What each removes is decided in `classify`."""

from typing import Literal

Policy = Literal["none", "paper", "conservative", "aggressive"]
# From nobody to most; dbt's are in dbt_project/macros/policies.sql.
POLICIES: tuple[Policy, ...] = ("none", "paper", "conservative", "aggressive")
