{{
    config(
        materialized='view',
        tags=['snapshot'],
        meta={'dagster': {'group': 'core'}}
    )
}}

with decisions as (

    select
        least(first_actor_key, second_actor_key) as first_actor_key,
        greatest(first_actor_key, second_actor_key) as second_actor_key,
        decision,
        reviewer,
        decided_on
    from {{ ref('reviewed_identities') }}
    where decided_on <= current_date and first_actor_key <> second_actor_key

),

-- Of two decisions of one day, the one that keeps people apart.
placed as (

    select
        *,
        row_number() over (
            partition by first_actor_key, second_actor_key
            order by decided_on desc, decision desc
        ) as place
    from decisions

)

select
    first_actor_key,
    second_actor_key,
    decision,
    reviewer,
    decided_on
from placed
where place = 1
