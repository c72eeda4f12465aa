{{
    config(
        materialized='view',
        tags=['snapshot'],
        meta={'dagster': {'group': 'core'}}
    )
}}

with asked as (

    select
        messages.platform,
        messages.kind,
        messages.thread_number,
        messages.created_at,
        messages.title_character_count,
        messages.body_character_count,
        messages.title_hash,
        messages.text_hash,
        messages.thread_observed_on as observed_on,
        messages.thread_key as named_key,
        coalesce(
            'github:repository:' || cast(messages.repository_id as varchar),
            names.repository_key,
            'huggingface:' || messages.repository_type || ':name:' || messages.repository_name
        ) as repository_key,
        case messages.platform
            when 'github' then 'github:actor:' || cast(messages.author_id as varchar)
            else 'huggingface:actor:' || messages.author_login
        end as actor_key,
        case
            when messages.platform = 'huggingface' then 'discussions'
            when messages.kind = 'pull_request' then 'pull_requests'
            else 'issues'
        end as text_source,
        messages.body_observed_on as text_observed_on,
        1 as preference
    from {{ ref('int_messages__deduplicated') }} as messages
    left join {{ ref('int_huggingface_names__identified') }} as names
        on
            messages.platform = 'huggingface'
            and messages.repository_type = names.repository_type
            and messages.repository_name = names.repository_name
    where messages.thread_observed_on is not null

),

-- What an event told when the thread was opened; what the API says later is newer.
opened as (

    select
        'github' as platform,
        'issue' as kind,
        thread_number,
        created_at,
        title_character_count,
        body_character_count,
        title_hash,
        text_hash,
        file_on as observed_on,
        'github:' || cast(repository_id as varchar) as named_key,
        'github:repository:' || cast(repository_id as varchar) as repository_key,
        'github:actor:' || cast(actor_id as varchar) as actor_key,
        'events' as text_source,
        file_on as text_observed_on,
        2 as preference
    from {{ ref('int_github_posts__opened') }}

),

told as (

    select * from asked
    union all
    select * from opened

),

-- A repository that was renamed is listed under both names: the newest listing holds.
ranked as (

    select
        *,
        row_number() over (
            partition by repository_key, thread_number
            order by preference asc, observed_on desc, named_key asc
        ) as place
    from told

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
    observed_on,
    text_source,
    text_observed_on
from ranked
where place = 1
