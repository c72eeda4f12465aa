{# Of several models, the one that the orchestrator shows this check on. #}
{{ config(meta={'dagster': {'ref': {'name': 'mart_repository_activity'}}}) }}

-- Flows of the mart, summed, are the acts of fct_interaction counted by their own rule.
with acts as (

    select
        count(case when kind = 'push' then 1 end) as push_count,
        coalesce(sum(push_size), 0) as commit_count,
        count(case when kind = 'star' then 1 end) as star_count,
        count(case when kind = 'fork' then 1 end) as fork_count,
        count(case when kind = 'pull_request_merged' then 1 end) as merged_count,
        count(case when kind = 'pull_request' and action = 'opened' then 1 end) as opened_count,
        count(
            case
                when kind = 'issue' and action = 'opened' then 1
                when
                    kind = 'issue_comment' and action = 'created'
                    and coalesce(thread_kind, 'issue') = 'issue'
                    then 1
            end
        ) as issue_count
    from {{ ref('fct_interaction') }}
    where platform = 'github' and repository_key is not null

),

mart as (

    select
        coalesce(sum(push_flow_count), 0) as push_count,
        coalesce(sum(commit_flow_count), 0) as commit_count,
        coalesce(sum(star_flow_count), 0) as star_count,
        coalesce(sum(fork_flow_count), 0) as fork_count,
        coalesce(sum(pull_request_merged_flow_count), 0) as merged_count,
        coalesce(sum(pull_request_flow_count), 0) as opened_count,
        coalesce(sum(issue_flow_count), 0) as issue_count
    from {{ ref('mart_repository_activity') }}
    where platform = 'github'

)

(
    select * from acts
    except
    select * from mart
)
union all
(
    select * from mart
    except
    select * from acts
)
