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

with events as (

    select * from {{ ref('stg_github__events') }}
    where {{ in_window('file_on') }}

),

sightings as (

    -- The author of a comment is the actor only where the comment was just made.
    select
        file_on,
        actor_id,
        actor_login,
        occurred_at,
        case when act = 'created' then comment_author_type end as platform_type,
        true as is_acting
    from events
    where actor_id is not null

    union all

    select
        file_on,
        thread_author_id as actor_id,
        thread_author_login as actor_login,
        occurred_at,
        thread_author_type as platform_type,
        false as is_acting
    from events
    where thread_author_id is not null

)

select
    file_on,
    actor_id,
    actor_login,
    min(occurred_at) as first_seen_at,
    max(occurred_at) as last_seen_at,
    max(platform_type) as platform_type,
    bool_or(is_acting) as is_acting,
    count(*) filter (where is_acting) as event_count
from sightings
group by file_on, actor_id, actor_login
