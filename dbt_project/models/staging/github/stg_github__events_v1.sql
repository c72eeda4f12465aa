with files as (

    {{ current_files(source('gharchive_manifests', 'events'), ['hour', 'schema_version']) }}

),

events as (

    select * from {{ source('gharchive', 'events') }}

),

renamed as (

    select
        events.day as file_on,
        files.hour as file_hour,
        files.file as file_name,
        files.schema_version,
        events.era,
        events.event_id,
        events.event_type,
        events.created_at as occurred_at,
        events.is_public,
        events.actor_id,
        events.actor_login,
        events.repository_id,
        events.repository_name,
        events.organisation_id,
        events.organisation_login,
        events.action,
        case
            when
                events.event_type = 'PullRequestEvent'
                and events.action = 'closed'
                and events.is_merged
                then 'merged'
            else events.action
        end as act,
        events.ref,
        events.ref_type,
        events.push_id,
        events.push_size,
        events.push_distinct_size,
        events.head_sha,
        events.before_sha,
        {{ list_size('events.commits') }} as listed_commit_count,
        events.thread_kind,
        events.thread_id,
        events.thread_number,
        events.thread_title,
        events.thread_body,
        events.thread_state,
        events.thread_created_at,
        events.thread_closed_at,
        events.thread_comment_count,
        events.thread_author_id,
        events.thread_author_login,
        events.thread_author_type,
        events.thread_author_association,
        events.merged_at,
        events.pull_commit_count,
        events.pull_addition_count,
        events.pull_deletion_count,
        events.pull_changed_file_count,
        events.head_repository_id,
        events.comment_id,
        events.comment_body,
        events.comment_author_association,
        events.comment_author_type,
        events.review_id,
        events.review_state,
        events.release_id,
        events.release_tag,
        events.forkee_id,
        events.forkee_name,
        events.forkee_created_at,
        events.member_id,
        events.member_login,
        events.repository_created_at,
        events.repository_star_count,
        events.repository_fork_count,
        events.repository_language,
        events.repository_licence,
        events.repository_is_fork
    from events
    inner join files
        on
            events.day = files.day
            and {{ base_name('events.filename') }} = files.file
    where events.era = 'E2'

)

select * from renamed
