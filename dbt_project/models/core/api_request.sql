{{
    config(
        materialized='view',
        tags=['snapshot'],
        meta={'dagster': {'group': 'core'}}
    )
}}

with landed as (

    select
        'github' as platform,
        *
    from {{ ref('stg_github__requests') }}

    union all

    select
        'huggingface' as platform,
        *
    from {{ ref('stg_huggingface__requests') }}

)

select
    platform,
    observed_on,
    kind,
    account,
    hour_at,
    {% for sum in ['call', 'not_modified', 'retry', 'refused', 'failed'] %}
    cast(sum({{ sum }}_count) as bigint) as {{ sum }}_count,
    {% endfor %}
    sum(waited_seconds) as waited_seconds,
    cast(sum(received_byte_count) as bigint) as received_byte_count,
    max(limit_count) as limit_count,
    min(remaining_count) as remaining_count,
    {{ joined('status_counts', ' ', 'entry_name') }} as status_counts
from landed
group by platform, observed_on, kind, account, hour_at
