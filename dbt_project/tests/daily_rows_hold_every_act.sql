{# Of several models, the one that the orchestrator shows this check on. #}
{{ config(meta={'dagster': {'ref': {'name': 'fct_repository_daily'}}}) }}

-- Every act on a known repository is in exactly one daily row.
with acts as (

    select count(*) as act_count
    from {{ ref('int_github_events__deduplicated') }}
    where repository_id is not null

),

daily as (

    select coalesce(sum(interaction_count), 0) as act_count
    from {{ ref('fct_repository_daily') }}

)

select
    acts.act_count,
    daily.act_count as daily_count
from acts
cross join daily
where acts.act_count <> daily.act_count
