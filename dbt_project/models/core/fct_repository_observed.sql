{{
    config(
        materialized='view',
        tags=['snapshot'],
        meta={'dagster': {'group': 'core'}}
    )
}}

with github as (

    select
        'github' as platform,
        'github:repository:' || cast(repository_id as varchar) as repository_key,
        cast(stock_observed_at as date) as observed_on,
        {{ newest('star_count', 'stock_observed_at') }} as star_stock_count,
        {{ newest('fork_count', 'stock_observed_at') }} as fork_stock_count,
        cast(null as bigint) as commit_stock_count,
        cast(null as bigint) as discussion_stock_count,
        cast(null as bigint) as pull_request_stock_count,
        cast(null as bigint) as download_30d_stock_count,
        cast(null as bigint) as download_all_stock_count,
        'event' as observed_by
    from {{ ref('int_github_repositories__observed') }}
    where basis = 'event' and stock_observed_at is not null
    group by repository_id, cast(stock_observed_at as date)

),

huggingface as (

    select
        'huggingface' as platform,
        names.repository_key,
        observed.observed_on,
        {{ newest('observed.like_count', 'observed.observed_at') }} as star_stock_count,
        cast(null as bigint) as fork_stock_count,
        {{ newest('observed.commit_stock_count', 'observed.observed_at') }}
            as commit_stock_count,
        {{ newest('observed.discussion_stock_count', 'observed.observed_at') }}
            as discussion_stock_count,
        {{ newest('observed.pull_request_stock_count', 'observed.observed_at') }}
            as pull_request_stock_count,
        {{ newest('observed.download_30d_count', 'observed.observed_at') }}
            as download_30d_stock_count,
        {{ newest('observed.download_all_count', 'observed.observed_at') }}
            as download_all_stock_count,
        'listing' as observed_by
    from {{ ref('int_huggingface_repositories__observed') }} as observed
    inner join {{ ref('int_huggingface_names__identified') }} as names
        on
            observed.repository_type = names.repository_type
            and observed.repository_name = names.repository_name
    group by names.repository_key, observed.observed_on

)

select * from github

union all

select * from huggingface
