{{
    config(
        materialized='incremental',
        incremental_strategy='delete+insert',
        unique_key='event_key',
        tags=['snapshot', 'incremental'],
        meta={'dagster': {'group': 'huggingface'}}
    )
}}

with commits as (

    select distinct
        observed_on as file_on,
        repository_type,
        repository_name,
        'commit' as kind,
        'committed' as action,
        commit_id as event_id,
        committed_at as occurred_at,
        cast(null as bigint) as thread_number,
        {{ each("coalesce(author_logins, " ~ list_of('cast(null as varchar)') ~ ")") }}
            as actor_login
    from {{ ref('stg_huggingface__commits') }}
    where {{ in_window('observed_on') }}

),

discussions as (

    select
        observed_on as file_on,
        repository_type,
        repository_name,
        case when is_pull_request then 'pull_request' else 'discussion' end as kind,
        'opened' as action,
        cast(discussion_number as varchar) as event_id,
        created_at as occurred_at,
        discussion_number as thread_number,
        author_login as actor_login
    from {{ ref('stg_huggingface__discussions') }}
    where {{ in_window('observed_on') }}

),

-- A discussion is read whole: its first comment is what it was opened with, no further act.
comments as (

    select
        *,
        row_number() over (
            partition by observed_on, repository_type, repository_name, discussion_number
            order by created_at, event_id
        ) as place
    from {{ ref('stg_huggingface__discussion_events') }}
    where {{ in_window('observed_on') }} and event_type = 'comment'

),

replies as (

    select
        observed_on as file_on,
        repository_type,
        repository_name,
        'discussion_comment' as kind,
        'created' as action,
        cast(discussion_number as varchar) || ':' || event_id as event_id,
        created_at as occurred_at,
        discussion_number as thread_number,
        author_login as actor_login
    from comments
    where place > 1

),

acts as (

    select * from commits
    where actor_login is distinct from 'system'

    union all

    select * from discussions

    union all

    select * from replies

),

new_rows as (

    select
        *,
        cast(occurred_at as date) as occurred_on,
        case kind
            when 'commit' then 'commit'
            when 'discussion_comment' then 'discussion_comment'
            else 'discussion'
        end
        || ':' || repository_type || ':' || repository_name || ':' || event_id
        || case when kind = 'commit' then ':' || coalesce(actor_login, '') else '' end
            as event_key
    from acts
    where repository_name is not null and event_id is not null

),

pool as (

    select
        event_key,
        file_on,
        repository_type,
        repository_name,
        kind,
        action,
        event_id,
        occurred_at,
        occurred_on,
        thread_number,
        actor_login
    from new_rows

    {% if is_incremental() %}
    union all

    select
        known.event_key,
        known.file_on,
        known.repository_type,
        known.repository_name,
        known.kind,
        known.action,
        known.event_id,
        known.occurred_at,
        known.occurred_on,
        known.thread_number,
        known.actor_login
    from {{ this }} as known
    where
        exists (
            select 1 from new_rows
            where new_rows.event_key = known.event_key
        )
    {% endif %}

),

ranked as (

    select
        *,
        row_number() over (
            partition by event_key
            order by file_on, occurred_at, actor_login
        ) as place
    from pool

)

select
    event_key,
    file_on,
    repository_type,
    repository_name,
    kind,
    action,
    event_id,
    occurred_at,
    occurred_on,
    thread_number,
    actor_login
from ranked
where place = 1
