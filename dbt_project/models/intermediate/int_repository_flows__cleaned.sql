{{
    config(
        materialized='table',
        tags=['snapshot'],
        meta={'dagster': {'group': 'core'}}
    )
}}

with removed as (

    select
        actor_key,
        is_removed_by_paper,
        is_removed_by_conservative,
        is_removed_by_aggressive
    from {{ ref('dim_actor') }}
    where is_removed_by_paper or is_removed_by_conservative or is_removed_by_aggressive

),

events as (

    select
        events.repository_key,
        events.kind,
        events.action,
        events.thread_kind,
        events.push_size,
        removed.*
    from {{ ref('int_github_events__deduplicated') }} as events
    inner join removed on events.actor_key = removed.actor_key
    where events.repository_key is not null

),

-- A commit is a machine's where all of its authors are.
commits as (

    select
        acts.repository_key,
        acts.event_id,
        bool_and(coalesce(removed.is_removed_by_paper, false)) as is_removed_by_paper,
        bool_and(coalesce(removed.is_removed_by_conservative, false))
            as is_removed_by_conservative,
        bool_and(coalesce(removed.is_removed_by_aggressive, false)) as is_removed_by_aggressive
    from {{ ref('fct_interaction') }} as acts
    left join removed on acts.actor_key = removed.actor_key
    where acts.platform = 'huggingface' and acts.kind = 'commit'
    group by acts.repository_key, acts.event_id

),

discussions as (

    select
        acts.repository_key,
        removed.*
    from {{ ref('fct_interaction') }} as acts
    inner join removed on acts.actor_key = removed.actor_key
    where acts.platform = 'huggingface' and acts.kind = 'discussion'

),

machines as (
    {% for policy in removing_policies() %}

    select
        repository_key,
        '{{ policy }}' as bot_policy,
        count(case when kind = 'push' then 1 end) as push_count,
        count(case when kind = 'star' then 1 end) as star_count,
        {{ flow_counts() }}
    from events
    where is_removed_by_{{ policy }}
    group by repository_key
    {% if not loop.last %}
    union all
    {% endif %}
    {% endfor %}

),

stocks as (
    {% for policy in removing_policies() %}
    {% for acts in ['commits', 'discussions'] %}

    select
        repository_key,
        '{{ policy }}' as bot_policy,
        '{{ acts }}' as feature
    from {{ acts }}
    where is_removed_by_{{ policy }}
    {% if not loop.last %}
    union all
    {% endif %}
    {% endfor %}
    {% if not loop.last %}
    union all
    {% endif %}
    {% endfor %}

),

totals as (

    select
        repository_key,
        sum(push_count) as push_count,
        sum(sized_push_count) as sized_push_count,
        sum(commit_count) as commit_count,
        sum(issue_opened_count + issue_comment_created_count) as issue_count,
        sum(star_count) as star_count
    from {{ ref('fct_repository_daily') }}
    where repository_key in (select machines.repository_key from machines)
    group by repository_key

)

-- As in the activity mart: pushes whose payload tells no commits leave the number unknown.
select
    machines.repository_key,
    machines.bot_policy,
    cast(
        case
            when totals.push_count = machines.push_count then 0
            when totals.sized_push_count > machines.sized_push_count
                then totals.commit_count - coalesce(machines.commit_count, 0)
        end as bigint
    ) as commit_flow_count,
    cast(
        totals.issue_count - machines.issue_opened_count - machines.issue_comment_created_count
        as bigint
    ) as issue_flow_count,
    cast(totals.star_count - machines.star_count as bigint) as star_flow_count,
    cast(null as bigint) as machine_commit_stock_count,
    cast(null as bigint) as machine_discussion_stock_count
from machines
inner join totals on machines.repository_key = totals.repository_key

union all

select
    repository_key,
    bot_policy,
    cast(null as bigint) as commit_flow_count,
    cast(null as bigint) as issue_flow_count,
    cast(null as bigint) as star_flow_count,
    count(case when feature = 'commits' then 1 end) as machine_commit_stock_count,
    count(case when feature = 'discussions' then 1 end) as machine_discussion_stock_count
from stocks
group by repository_key, bot_policy
