{#
    Counts of acts that are flows of a repository beside the plain counts by kind, over rows of
    int_github_events__deduplicated.
#}
{% macro flow_counts() -%}
    count(case when kind = 'push' and push_size is not null then 1 end) as sized_push_count,
    cast(sum(case when kind = 'push' then push_size end) as bigint) as commit_count,
    count(case when kind = 'issue' and action = 'opened' then 1 end) as issue_opened_count,
    count(
        case
            when
                kind = 'issue_comment'
                and action = 'created'
                and thread_kind is distinct from 'pull_request'
                then 1
        end
    ) as issue_comment_created_count,
    count(
        case when kind = 'pull_request' and action = 'opened' then 1 end
    ) as pull_request_opened_count
{%- endmacro %}
