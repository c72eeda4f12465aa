{{
    config(
        materialized='table',
        tags=['snapshot'],
        meta={'dagster': {'group': 'github'}}
    )
}}

select
    address_hash,
    {{ newest('actor_id', 'occurred_at') }} as actor_id
from {{ ref('int_github_commits__deduplicated') }}
where author_role = 'author' and actor_id is not null and address_hash is not null
group by address_hash
