-- The Hub has no events and so no flow: what its listings tell are stocks.
select repository_key
from {{ ref('mart_repository_activity') }}
where
    platform = 'huggingface'
    and coalesce(
        push_flow_count, commit_flow_count, issue_flow_count, star_flow_count, actor_flow_count
    ) is not null
