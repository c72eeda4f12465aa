{{
    config(
        materialized='incremental',
        incremental_strategy='replace_days',
        unique_key='actor_id',
        tags=['by_day', 'incremental'],
        meta={
            'dagster': {'group': 'github'},
            'replaces': {'first': 'first_file_on', 'last': 'last_file_on', 'ahead': 1}
        }
    )
}}

{%- set days = behaviour_days() | int %}

with acted as (

    select
        actor_id,
        max(file_on) as last_file_on
    from {{ ref('int_github_events__deduplicated') }}
    where {{ in_window('file_on', ahead=1) }} and actor_id is not null
    group by actor_id

),

{% if is_incremental() %}
known as (

    select
        actor_id,
        last_file_on,
        {{ touches_window('first_file_on', 'last_file_on', ahead=1) }} as is_touched,
        {{ in_window('last_file_on', ahead=1) }} as is_ending
    from {{ this }}

),
{% endif %}

-- Whom the window can change, with the last file day of their acts. It is null where the window
-- took that day away: then their whole past is looked at.
affected as (

    {% if is_incremental() %}
    select
        coalesce(acted.actor_id, known.actor_id) as actor_id,
        case
            when known.is_touched and not known.is_ending then known.last_file_on
            else acted.last_file_on
        end as last_file_on
    from acted
    full outer join known on acted.actor_id = known.actor_id
    where
        coalesce(known.is_touched, false)
        or (
            acted.actor_id is not null
            and coalesce(known.last_file_on <= acted.last_file_on, true)
        )
    {% else %}
    select * from acted
    {% endif %}

),

found as (

    select
        events.actor_id,
        events.file_on,
        events.event_key,
        events.kind,
        events.action,
        events.repository_id,
        events.thread_number,
        events.thread_kind,
        events.occurred_at,
        affected.last_file_on
    from {{ ref('int_github_events__deduplicated') }} as events
    inner join affected
        on
            events.actor_id = affected.actor_id
            and events.file_on <= affected.last_file_on
            and events.file_on > {{ days_after('affected.last_file_on', -days) }}
    where {{ in_window('events.file_on', back=days - 1, ahead=days) }}

    {% if is_incremental() %}
    union all

    select
        events.actor_id,
        events.file_on,
        events.event_key,
        events.kind,
        events.action,
        events.repository_id,
        events.thread_number,
        events.thread_kind,
        events.occurred_at,
        max(events.file_on) over (partition by events.actor_id) as last_file_on
    from {{ ref('int_github_events__deduplicated') }} as events
    inner join affected
        on
            events.actor_id = affected.actor_id
            and affected.last_file_on is null
    {% endif %}

),

dated as (

    select
        *,
        date_trunc('second', occurred_at) as acted_at,
        max(occurred_at) over (partition by actor_id) as last_acted_at,
        row_number() over (
            partition by actor_id
            order by occurred_at desc, event_key desc
        ) as recency
    from found
    where file_on > {{ days_after('last_file_on', -days) }}

),

recent as (

    select
        *,
        count(*) over (partition by actor_id) as event_count
    from dated
    where
        recency <= {{ behaviour_acts() }}
        and occurred_at >= last_acted_at - interval {{ days }} day

),

measured as (

    select
        *,
        -- What closes a thread, publishes or merges comes as several events of the same moment.
        max(case when action in ('closed', 'reopened', 'merged') then 1 else 0 end) over (
            partition by actor_id, repository_id, thread_number
            order by acted_at
            range between interval 2 second preceding and interval 2 second following
        ) as is_settling,
        max(case when kind = 'release' then 1 else 0 end) over (
            partition by actor_id, repository_id
            order by acted_at
            range between interval 2 second preceding and interval 2 second following
        ) as is_releasing,
        max(case when kind = 'pull_request_merged' then 1 else 0 end) over (
            partition by actor_id, repository_id
            order by acted_at
            range between interval 2 second preceding and interval 2 second following
        ) as is_merging,
        -- A repository has the owner that it had when the account last acted on it.
        max(file_on) over (partition by actor_id, repository_id) as named_on,
        -- The key of what is created or deleted says which sort of thing it is.
        split_part(event_key, ':', 5) as ref_type
    from recent
    where event_count >= {{ behaviour_least() }}

),

places as (

    select distinct
        named_on,
        repository_id
    from measured

),

names as (

    select
        observed.file_on,
        observed.repository_id,
        {{ newest('observed.repository_name', 'observed.last_seen_at') }} as repository_name
    from {{ ref('int_github_repositories__observed') }} as observed
    inner join places
        on
            observed.file_on = places.named_on
            and observed.repository_id = places.repository_id
    where observed.basis = 'event'
    group by observed.file_on, observed.repository_id

),

acts as (

    select
        measured.actor_id as account,
        measured.event_key as act_key,
        measured.acted_at,
        measured.repository_id as repository,
        lower(split_part(names.repository_name, '/', 1)) as owner,
        case
            when measured.kind in ('create', 'delete')
                then measured.kind || ' ' || measured.ref_type
            when measured.kind in ('issue', 'pull_request')
                then measured.kind || ' ' || coalesce(measured.action, '')
            when measured.kind = 'issue_comment'
                then 'comment ' || coalesce(measured.thread_kind, '')
            else measured.kind
        end as kind,
        cast(measured.repository_id as varchar) || ' '
        || cast(measured.thread_number as varchar) as thread
    from measured
    left join names
        on
            measured.named_on = names.file_on
            and measured.repository_id = names.repository_id
    where
        measured.repository_id is not null
        and measured.kind <> 'other'
        and not (
            measured.kind in ('issue', 'pull_request')
            and coalesce(measured.action, '') not in ('opened', 'closed', 'reopened')
        )
        and not (measured.kind = 'issue_comment' and measured.is_settling = 1)
        and not (
            measured.kind = 'create'
            and measured.ref_type = 'tag'
            and measured.is_releasing = 1
        )
        and not (measured.kind = 'push' and measured.is_merging = 1)

),

answers as (

    select
        recent.actor_id as account,
        {{ seconds_between(
            "min(date_trunc('second', opened.occurred_at))", "min(recent.acted_at)"
        ) }} as answer_seconds
    from recent
    inner join {{ ref('int_github_events__deduplicated') }} as opened
        on
            recent.file_on = opened.file_on
            and recent.repository_id = opened.repository_id
            and recent.thread_number = opened.thread_number
            and recent.occurred_at >= opened.occurred_at
    where
        recent.event_count >= {{ behaviour_least() }}
        and recent.kind in (
            'issue_comment', 'pull_request_review', 'pull_request_review_comment'
        )
        and opened.kind in ('issue', 'pull_request')
        and opened.action = 'opened'
        and recent.actor_id is distinct from opened.actor_id
    group by recent.actor_id, recent.repository_id, recent.thread_number, recent.file_on

),

{{ behaviour('acts', 'answers') }},

accounts as (

    select
        actor_id,
        max(last_file_on) as last_file_on,
        max(last_acted_at) as last_acted_at,
        max(event_count) as event_count
    from recent
    group by actor_id

)

select
    accounts.actor_id,
    {{ days_after('accounts.last_file_on', 1 - days) }} as first_file_on,
    accounts.last_file_on,
    accounts.last_acted_at,
    {% for column in behaviour_columns() %}
    behaviour.{{ column }},
    {% endfor %}
    accounts.event_count
from accounts
left join behaviour on accounts.actor_id = behaviour.account
