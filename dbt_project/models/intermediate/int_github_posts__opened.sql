{{
    config(
        materialized='incremental',
        incremental_strategy='replace_days',
        unique_key='file_on',
        tags=['by_day', 'incremental'],
        meta={
            'dagster': {'group': 'github'},
            'replaces': {'first': 'file_on', 'last': 'file_on', 'ahead': 0}
        }
    )
}}

-- Events around midnight come in the files of both days, and mirrors repeat hours.
with ranked as (

    select
        file_on,
        repository_id,
        thread_number,
        actor_id,
        thread_created_at,
        thread_title,
        thread_body,
        row_number() over (
            partition by file_on, repository_id, thread_number
            order by occurred_at, event_id, file_hour, file_name
        ) as place
    from {{ ref('stg_github__events') }}
    where
        {{ in_window('file_on') }}
        and event_type = 'IssuesEvent'
        and act = 'opened'
        and thread_kind = 'issue'
        and repository_id is not null
        and thread_number is not null
        and thread_created_at is not null

)

select
    file_on,
    repository_id,
    thread_number,
    actor_id,
    thread_created_at as created_at,
    coalesce(length(thread_title), 0) as title_character_count,
    coalesce(length(thread_body), 0) as body_character_count,
    {{ text_hash('thread_title') }} as title_hash,
    {{ text_hash('thread_body') }} as text_hash
from ranked
where place = 1
