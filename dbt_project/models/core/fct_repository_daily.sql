{{
    config(
        materialized='incremental',
        incremental_strategy='replace_days',
        unique_key='occurred_on',
        tags=['by_day', 'incremental'],
        meta={
            'dagster': {'group': 'core'},
            'replaces': {'first': 'first_file_on', 'last': 'last_file_on', 'ahead': 1}
        }
    )
}}

{%- set kinds = [
    'push', 'issue', 'issue_comment', 'pull_request', 'pull_request_merged',
    'pull_request_review', 'pull_request_review_comment', 'star', 'fork', 'release', 'create',
    'delete', 'member', 'wiki', 'public', 'commit_comment', 'discussion', 'discussion_comment',
    'other'
] %}

with affected as (

    {{ affected_days(ref('int_github_events__deduplicated')) }}

),

acts as (

    select * from {{ ref('int_github_events__deduplicated') }}
    where
        repository_id is not null
        and occurred_on in (select affected.occurred_on from affected)

),

daily as (

    select
        repository_key,
        occurred_on,
        min(file_on) as first_file_on,
        max(file_on) as last_file_on,
        count(*) as interaction_count,
        {% for kind in kinds %}
        count(case when kind = '{{ kind }}' then 1 end) as {{ kind }}_count,
        {% endfor %}
        {{ flow_counts() }},
        count(distinct actor_key) as actor_count,
        count(
            distinct case when actor_login like '%[bot]' then actor_key end
        ) as suffixed_bot_actor_count
    from acts
    group by repository_key, occurred_on

)

select
    daily.*,
    coverage.completeness_share
from daily
left join {{ ref('int_github_coverage__summarised') }} as coverage
    on daily.occurred_on = coverage.file_on
