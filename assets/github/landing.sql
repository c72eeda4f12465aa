-- One archive file of clean lines as the columns of the lake (schema version 1).
-- Grain: one event. {source} is the declared read_json call; nothing is inferred.
-- What many columns are read from is named once: each step into a payload is planned anew.
-- The era is told by the shape of the payload where the shape tells, else by date.
select
    id as event_id,
    type as event_type,
    created_at,
    case
        when type = 'PushEvent' then case
            when payload.size is not null or payload.commits is not null then 'E2'
            when payload.push_id is not null or payload.head is not null then 'E3'
            else 'unknown'
        end
        when pull_request is not null then case
            when pull_request."user" is not null
                or pull_request.title is not null
                or pull_request.created_at is not null then 'E2'
            when pull_request.id is not null then 'E3'
            else 'unknown'
        end
        when type like 'PullRequest%' then 'unknown'
        when payload.full_ref is not null then 'E3'
        when type = 'ForkEvent' and payload.action is not null then 'E3'
        when created_at < timestamp '2025-10-07' then 'E2'
        else 'E3'
    end as era,
    public as is_public,
    actor.id as actor_id,
    actor.login as actor_login,
    repo.id as repository_id,
    repo.name as repository_name,
    org.id as organisation_id,
    org.login as organisation_login,
    payload.action as action,
    payload.ref as ref,
    payload.ref_type as ref_type,
    payload.push_id as push_id,
    payload.size as push_size,
    payload.distinct_size as push_distinct_size,
    payload.head as head_sha,
    payload.before as before_sha,
    payload.commits as commits,
    case
        when pull_request is not null then 'pull_request'
        when issue.pull_request is not null then 'pull_request'
        when issue is not null then 'issue'
    end as thread_kind,
    coalesce(issue.id, pull_request.id) as thread_id,
    coalesce(issue.number, pull_request.number, payload.number) as thread_number,
    coalesce(issue.title, pull_request.title) as thread_title,
    coalesce(issue.body, pull_request.body) as thread_body,
    coalesce(issue.state, pull_request.state) as thread_state,
    coalesce(issue.created_at, pull_request.created_at) as thread_created_at,
    coalesce(issue.closed_at, pull_request.closed_at) as thread_closed_at,
    coalesce(issue.comments, pull_request.comments) as thread_comment_count,
    coalesce(issue."user".id, pull_request."user".id) as thread_author_id,
    coalesce(issue."user".login, pull_request."user".login) as thread_author_login,
    coalesce(issue."user".type, pull_request."user".type) as thread_author_type,
    coalesce(issue.author_association, pull_request.author_association)
        as thread_author_association,
    pull_request.merged as is_merged,
    pull_request.merged_at as merged_at,
    pull_request.commits as pull_commit_count,
    pull_request.additions as pull_addition_count,
    pull_request.deletions as pull_deletion_count,
    pull_request.changed_files as pull_changed_file_count,
    pull_request.head.repo.id as head_repository_id,
    comment.id as comment_id,
    comment.body as comment_body,
    comment.author_association as comment_author_association,
    comment."user".type as comment_author_type,
    payload.review.id as review_id,
    payload.review.state as review_state,
    payload.release.id as release_id,
    payload.release.tag_name as release_tag,
    payload.forkee.id as forkee_id,
    payload.forkee.full_name as forkee_name,
    payload.forkee.created_at as forkee_created_at,
    payload.member.id as member_id,
    payload.member.login as member_login,
    base_repository.created_at as repository_created_at,
    base_repository.stargazers_count as repository_star_count,
    base_repository.forks_count as repository_fork_count,
    base_repository.language as repository_language,
    base_repository.license.spdx_id as repository_licence,
    base_repository.fork as repository_is_fork
from (
    select
        *,
        payload.issue as issue,
        payload.comment as comment,
        payload.pull_request as pull_request,
        payload.pull_request.base.repo as base_repository
    from {source}
)
