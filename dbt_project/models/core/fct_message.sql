{{
    config(
        materialized='view',
        tags=['snapshot'],
        meta={'dagster': {'group': 'core'}}
    )
}}

with named as (

    select
        messages.*,
        coalesce(
            'github:repository:' || cast(messages.repository_id as varchar),
            names.repository_key,
            'huggingface:' || messages.repository_type || ':name:' || messages.repository_name
        ) as repository_key,
        case messages.platform
            when 'github' then 'github:actor:' || cast(messages.author_id as varchar)
            else 'huggingface:actor:' || messages.author_login
        end as actor_key
    from {{ ref('int_messages__deduplicated') }} as messages
    left join {{ ref('int_huggingface_names__identified') }} as names
        on
            messages.platform = 'huggingface'
            and messages.repository_type = names.repository_type
            and messages.repository_name = names.repository_name
    where messages.thread_observed_on is not null

),

-- A repository that was renamed is listed under both names: the newest listing holds.
ranked as (

    select
        *,
        row_number() over (
            partition by repository_key, thread_number
            order by thread_observed_on desc, thread_key asc
        ) as place
    from named

)

select
    repository_key || ':' || cast(thread_number as varchar) as message_key,
    platform,
    repository_key,
    kind,
    thread_number,
    actor_key,
    created_at,
    cast(created_at as date) as created_on,
    title_character_count,
    body_character_count,
    title_hash,
    text_hash,
    thread_observed_on as observed_on
from ranked
where place = 1
