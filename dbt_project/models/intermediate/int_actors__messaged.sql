{{
    config(
        materialized='table',
        tags=['snapshot'],
        meta={'dagster': {'group': 'core'}}
    )
}}

-- A post without a text of its own repeats itself by its title.
with messages as (

    select
        platform,
        case platform when 'github' then cast(author_id as varchar) else author_login end
            as native_id,
        case when body_character_count > 0 then text_hash else title_hash end as told_hash
    from {{ ref('int_messages__deduplicated') }}

),

texts as (

    select
        platform,
        native_id,
        told_hash,
        count(*) as message_count
    from messages
    where native_id is not null and told_hash is not null
    group by platform, native_id, told_hash

)

select
    platform,
    native_id,
    cast(sum(message_count) as bigint) as message_count,
    cast(sum(message_count) - count(*) as double) / sum(message_count) as repeated_text_share,
    cast(max(message_count) as double) / sum(message_count) as template_text_share
from texts
group by platform, native_id
