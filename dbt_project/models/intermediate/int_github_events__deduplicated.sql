{{
    config(
        materialized='incremental',
        incremental_strategy='replace_days',
        unique_key='file_on',
        tags=['by_day', 'incremental'],
        meta={
            'dagster': {'group': 'github'},
            'replaces': {'first': 'file_on', 'last': 'file_on', 'ahead': 1}
        }
    )
}}

with events as (

    select * from {{ ref('stg_github__events') }}
    where {{ in_window('file_on', back=1, ahead=1) }}

),

keyed as (

    select
        file_on,
        file_hour,
        file_name,
        schema_version,
        era,
        event_id,
        event_type,
        actor_id,
        actor_login,
        repository_id,
        act,
        thread_kind,
        thread_id,
        thread_number,
        comment_id,
        forkee_id,
        push_id,
        push_size,
        occurred_at,
        cast(occurred_at as date) as occurred_on,
        {{ interaction_kind('event_type', 'act') }} as kind,
        {{ event_key() }} as event_key
    from events

),

first_of_day as (

    select
        *,
        row_number() over (
            partition by file_on, event_key
            order by file_hour nulls last, file_name, occurred_at, event_id
        ) as place
    from keyed
    where {{ in_window('file_on', ahead=1) }}

),

day_before as (

    select distinct
        event_key,
        {{ days_after('file_on', 1) }} as next_file_on
    from keyed

),

kept as (

    select first_of_day.*
    from first_of_day
    left join day_before
        on
            first_of_day.event_key = day_before.event_key
            and first_of_day.file_on = day_before.next_file_on
    where
        first_of_day.place = 1
        and day_before.event_key is null

)

select
    file_on,
    event_key,
    event_id,
    event_type,
    kind,
    act as action,
    occurred_at,
    occurred_on,
    repository_id,
    'github:repository:' || cast(repository_id as varchar) as repository_key,
    actor_id,
    'github:actor:' || cast(actor_id as varchar) as actor_key,
    actor_login,
    thread_kind,
    thread_id,
    thread_number,
    comment_id,
    forkee_id,
    push_id,
    push_size,
    file_hour,
    era,
    schema_version
from kept
