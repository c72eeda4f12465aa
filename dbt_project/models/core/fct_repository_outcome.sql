{{
    config(
        materialized='view',
        tags=['snapshot'],
        meta={'dagster': {'group': 'core'}}
    )
}}

select
    platform,
    repository_key,
    kind,
    subject,
    outcome,
    reason,
    observed_on,
    recheck_on,
    name_now
from {{ ref('int_repositories__answered') }}
where is_terminal or outcome = 'renamed'
