{{
    config(
        materialized='view',
        tags=['snapshot'],
        meta={'dagster': {'group': 'huggingface'}}
    )
}}

with latest as (

    select
        *,
        coalesce(repository_id, 'name:' || repository_name) as native_id
    from {{ ref('int_huggingface_models__latest') }}
    where first_seen_at is not null

)

select
    repository_type,
    repository_name,
    native_id,
    'huggingface:' || repository_type || ':' || native_id as repository_key,
    repository_id is not null as is_identified
from latest
