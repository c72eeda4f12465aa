-- One archive file of clean lines as the columns of the lake (schema version 1).
-- Grain: one event. {source} is the declared read_json call; nothing is inferred.
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
        when payload.pull_request is not null then case
            when payload.pull_request."user" is not null
                or payload.pull_request.title is not null
                or payload.pull_request.created_at is not null then 'E2'
            when payload.pull_request.id is not null then 'E3'
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
        when payload.pull_request is not null then 'pull_request'
        when payload.issue.pull_request is not null then 'pull_request'
        when payload.issue is not null then 'issue'
    end as thread_kind,
    coalesce(payload.issue.id, payload.pull_request.id) as thread_id,
    coalesce(payload.issue.number, payload.pull_request.number, payload.number) as thread_number,
    coalesce(payload.issue.title, payload.pull_request.title) as thread_title,
    coalesce(payload.issue.body, payload.pull_request.body) as thread_body,
    coalesce(payload.issue.state, payload.pull_request.state) as thread_state,
    coalesce(payload.issue.created_at, payload.pull_request.created_at) as thread_created_at,
    coalesce(payload.issue.closed_at, payload.pull_request.closed_at) as thread_closed_at,
    coalesce(payload.issue.comments, payload.pull_request.comments) as thread_comment_count,
    coalesce(payload.issue."user".id, payload.pull_request."user".id) as thread_author_id,
    coalesce(payload.issue."user".login, payload.pull_request."user".login)
        as thread_author_login,
    coalesce(payload.issue."user".type, payload.pull_request."user".type) as thread_author_type,
    coalesce(payload.issue.author_association, payload.pull_request.author_association)
        as thread_author_association,
    payload.pull_request.merged as is_merged,
    payload.pull_request.merged_at as merged_at,
    payload.pull_request.commits as pull_commit_count,
    payload.pull_request.additions as pull_addition_count,
    payload.pull_request.deletions as pull_deletion_count,
    payload.pull_request.changed_files as pull_changed_file_count,
    payload.pull_request.head.repo.id as head_repository_id,
    payload.comment.id as comment_id,
    payload.comment.body as comment_body,
    payload.comment.author_association as comment_author_association,
    payload.comment."user".type as comment_author_type,
    payload.review.id as review_id,
    payload.review.state as review_state,
    payload.release.id as release_id,
    payload.release.tag_name as release_tag,
    payload.forkee.id as forkee_id,
    payload.forkee.full_name as forkee_name,
    payload.forkee.created_at as forkee_created_at,
    payload.member.id as member_id,
    payload.member.login as member_login,
    payload.pull_request.base.repo.created_at as repository_created_at,
    payload.pull_request.base.repo.stargazers_count as repository_star_count,
    payload.pull_request.base.repo.forks_count as repository_fork_count,
    payload.pull_request.base.repo.language as repository_language,
    payload.pull_request.base.repo.license.spdx_id as repository_licence,
    payload.pull_request.base.repo.fork as repository_is_fork
from {source}
