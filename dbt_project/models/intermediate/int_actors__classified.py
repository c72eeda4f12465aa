"""What kind of account each is, by rules or a model in Python; see assets.warehouse.classified.

Incremental: an account whose evidence is the same, under the same rules, is not classified again.
Who is not described any more (an address that GitHub now links with an account) is deleted after.
"""


def model(dbt, session):
    dbt.config(
        materialized="incremental",
        incremental_strategy="delete+insert",
        unique_key="actor_key",
        tags=["snapshot", "incremental"],
        meta={"dagster": {"group": "core"}},
    )
    from assets.warehouse.classified import classified

    described = dbt.ref("int_actors__described")
    return classified(described, str(dbt.this) if dbt.is_incremental else None, session)
