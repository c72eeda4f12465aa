{{
    config(
        materialized='view',
        tags=['snapshot'],
        meta={'dagster': {'group': 'core'}}
    )
}}

with github_api as (

    select
        'github' as platform,
        repository_key,
        observed_on,
        star_count as star_stock_count,
        fork_count as fork_stock_count,
        commit_count as commit_stock_count,
        issue_count as discussion_stock_count,
        pull_request_count as pull_request_stock_count,
        cast(null as bigint) as download_30d_stock_count,
        cast(null as bigint) as download_all_stock_count,
        observed_on as commits_asked_on,
        observed_on as discussions_asked_on,
        'api' as observed_by
    from {{ ref('int_github_stocks__observed') }}

),

github_events as (

    select
        'github:repository:' || cast(repository_id as varchar) as repository_key,
        cast(stock_observed_at as date) as observed_on,
        {{ newest('star_count', 'stock_observed_at') }} as star_stock_count,
        {{ newest('fork_count', 'stock_observed_at') }} as fork_stock_count
    from {{ ref('int_github_repositories__observed') }}
    where basis = 'event' and stock_observed_at is not null
    group by repository_id, cast(stock_observed_at as date)

),

-- On a day on which the API was asked, it speaks.
github as (

    select
        'github' as platform,
        events.repository_key,
        events.observed_on,
        events.star_stock_count,
        events.fork_stock_count,
        cast(null as bigint) as commit_stock_count,
        cast(null as bigint) as discussion_stock_count,
        cast(null as bigint) as pull_request_stock_count,
        cast(null as bigint) as download_30d_stock_count,
        cast(null as bigint) as download_all_stock_count,
        cast(null as date) as commits_asked_on,
        cast(null as date) as discussions_asked_on,
        'event' as observed_by
    from github_events as events
    left join {{ ref('int_github_stocks__observed') }} as api
        on
            events.repository_key = api.repository_key
            and events.observed_on = api.observed_on
    where api.repository_key is null

),

hub_days as (

    select
        names.repository_key,
        observed.observed_on,
        bool_or(observed.is_seen) as is_seen,
        {{ newest('observed.like_count', 'observed.observed_at') }} as star_stock_count,
        {{ newest('observed.download_30d_count', 'observed.observed_at') }}
            as download_30d_stock_count,
        {{ newest('observed.download_all_count', 'observed.observed_at') }}
            as download_all_stock_count,
        max(observed.commit_stock_count) as commit_stock_count,
        max(observed.discussion_stock_count) as discussion_stock_count,
        max(observed.pull_request_stock_count) as pull_request_stock_count,
        max(observed.commits_outcome) as commits_outcome,
        max(observed.discussions_outcome) as discussions_outcome
    from {{ ref('int_huggingface_repositories__observed') }} as observed
    inner join {{ ref('int_huggingface_names__identified') }} as names
        on
            observed.repository_type = names.repository_type
            and observed.repository_name = names.repository_name
    group by names.repository_key, observed.observed_on

),

-- An answer holds until the next one: what was not asked on a day is as it was told last.
hub_commits as (

    select
        repository_key,
        observed_on as asked_on,
        commit_stock_count,
        lead(observed_on) over (partition by repository_key order by observed_on) as next_asked_on
    from hub_days
    where commits_outcome is not null

),

hub_discussions as (

    select
        repository_key,
        observed_on as asked_on,
        discussion_stock_count,
        pull_request_stock_count,
        lead(observed_on) over (partition by repository_key order by observed_on) as next_asked_on
    from hub_days
    where discussions_outcome is not null

),

huggingface as (

    select
        'huggingface' as platform,
        days.repository_key,
        days.observed_on,
        days.star_stock_count,
        cast(null as bigint) as fork_stock_count,
        commits.commit_stock_count,
        discussions.discussion_stock_count,
        discussions.pull_request_stock_count,
        days.download_30d_stock_count,
        days.download_all_stock_count,
        commits.asked_on as commits_asked_on,
        discussions.asked_on as discussions_asked_on,
        'listing' as observed_by
    from hub_days as days
    left join hub_commits as commits
        on
            days.repository_key = commits.repository_key
            and days.observed_on >= commits.asked_on
            and (commits.next_asked_on is null or days.observed_on < commits.next_asked_on)
    left join hub_discussions as discussions
        on
            days.repository_key = discussions.repository_key
            and days.observed_on >= discussions.asked_on
            and (
                discussions.next_asked_on is null
                or days.observed_on < discussions.next_asked_on
            )
    where days.is_seen

)

select * from github_api

union all

select * from github

union all

select * from huggingface
