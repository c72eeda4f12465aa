with repositories as (

    select * from {{ ref('dim_repository') }}

),

flows as (

    select
        repository_key,
        sum(push_count) as push_flow_count,
        sum(sized_push_count) as sized_push_count,
        sum(commit_count) as commit_flow_count,
        sum(issue_opened_count + issue_comment_created_count) as issue_flow_count,
        sum(pull_request_opened_count) as pull_request_flow_count,
        sum(pull_request_merged_count) as pull_request_merged_flow_count,
        sum(star_count) as star_flow_count,
        sum(fork_count) as fork_flow_count
    from {{ ref('fct_repository_daily') }}
    group by repository_key

),

actors as (

    select
        repository_key,
        -- Where all acts are of nobody, how many acted is unknown.
        nullif(count(distinct actor_key), 0) as actor_flow_count
    from {{ ref('int_github_events__deduplicated') }}
    group by repository_key

),

github_said as (

    select
        'github:repository:' || cast(repository_id as varchar) as repository_key,
        {{ newest('star_count', 'stock_observed_at') }} as star_stock_count,
        cast(max(stock_observed_at) as date) as stock_observed_on
    from {{ ref('int_github_repositories__observed') }}
    where basis = 'event' and stock_observed_at is not null
    group by repository_id

),

github_described as (

    select
        *,
        row_number() over (partition by repository_key order by observed_on desc) as place
    from {{ ref('int_github_stocks__observed') }}

),

github_api as (

    select * from github_described
    where place = 1

),

-- What the API says wins over what pull requests said of stars before October 2025.
github_stocks as (

    select
        coalesce(api.repository_key, events.repository_key) as repository_key,
        api.commit_count as commit_stock_count,
        api.issue_count as discussion_stock_count,
        coalesce(api.star_count, events.star_stock_count) as star_stock_count,
        coalesce(api.observed_on, events.stock_observed_on) as stock_observed_on
    from github_api as api
    full outer join github_said as events
        on api.repository_key = events.repository_key

),

huggingface_stocks as (

    select
        names.repository_key,
        {{ newest('latest.like_count', 'latest.listed_at') }} as star_stock_count,
        {{ newest('latest.download_30d_count', 'latest.listed_at') }} as download_30d_stock_count,
        {% for stock, day in [
            ('commit_stock_count', 'commits_observed_on'),
            ('discussion_stock_count', 'discussions_observed_on'),
        ] %}
        nullif(
            {{ newest(answered('latest.' ~ stock, 'latest.' ~ day), 'latest.' ~ day) }}, -1
        ) as {{ stock }},
        {% endfor %}
        max(
            greatest(
                cast(latest.listed_at as date),
                latest.commits_observed_on,
                latest.discussions_observed_on
            )
        ) as stock_observed_on
    from {{ ref('int_huggingface_models__latest') }} as latest
    inner join {{ ref('int_huggingface_names__identified') }} as names
        on
            latest.repository_type = names.repository_type
            and latest.repository_name = names.repository_name
    group by names.repository_key

),

stocks as (

    select
        repository_key,
        commit_stock_count,
        discussion_stock_count,
        star_stock_count,
        cast(null as bigint) as download_30d_stock_count,
        stock_observed_on
    from github_stocks

    union all

    select
        repository_key,
        commit_stock_count,
        discussion_stock_count,
        star_stock_count,
        download_30d_stock_count,
        stock_observed_on
    from huggingface_stocks

)

select
    repositories.repository_key,
    repositories.platform,
    repositories.repository_type,
    repositories.native_id,
    repositories.repository_name,
    repositories.owner_name,
    repositories.created_at,
    repositories.created_at_basis,
    repositories.first_seen_at,
    repositories.last_seen_at,
    repositories.is_fork,
    repositories.licence,
    repositories.language,
    repositories.gated,
    repositories.tombstone_reason,
    cast(
        case
            when flows.push_flow_count = 0 then 0
            when flows.sized_push_count > 0 then flows.commit_flow_count
        end as bigint
    ) as commit_flow_count,
    cast(flows.push_flow_count as bigint) as push_flow_count,
    cast(flows.issue_flow_count as bigint) as issue_flow_count,
    cast(flows.pull_request_flow_count as bigint) as pull_request_flow_count,
    cast(flows.pull_request_merged_flow_count as bigint) as pull_request_merged_flow_count,
    cast(flows.star_flow_count as bigint) as star_flow_count,
    cast(flows.fork_flow_count as bigint) as fork_flow_count,
    cast(actors.actor_flow_count as bigint) as actor_flow_count,
    stocks.commit_stock_count,
    stocks.discussion_stock_count,
    stocks.star_stock_count,
    stocks.download_30d_stock_count,
    stocks.stock_observed_on
from repositories
left join flows on repositories.repository_key = flows.repository_key
left join actors on repositories.repository_key = actors.repository_key
left join stocks on repositories.repository_key = stocks.repository_key
