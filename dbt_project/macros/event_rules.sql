{#
    What a GitHub event is, and when two recordings are the same event.
#}

{# Kind of interaction. `act` is the action with merges made alike (see the staging models). #}
{% macro interaction_kind(event_type, act) -%}
    case {{ event_type }}
        when 'PushEvent' then 'push'
        when 'IssuesEvent' then 'issue'
        when 'IssueCommentEvent' then 'issue_comment'
        when 'PullRequestEvent'
            then case when {{ act }} = 'merged' then 'pull_request_merged' else 'pull_request' end
        when 'PullRequestReviewEvent' then 'pull_request_review'
        when 'PullRequestReviewCommentEvent' then 'pull_request_review_comment'
        when 'WatchEvent' then 'star'
        when 'ForkEvent' then 'fork'
        when 'ReleaseEvent' then 'release'
        when 'CreateEvent' then 'create'
        when 'DeleteEvent' then 'delete'
        when 'MemberEvent' then 'member'
        when 'GollumEvent' then 'wiki'
        when 'PublicEvent' then 'public'
        when 'CommitCommentEvent' then 'commit_comment'
        when 'DiscussionEvent' then 'discussion'
        when 'DiscussionCommentEvent' then 'discussion_comment'
        else 'other'
    end
{%- endmacro %}

{#
    Identity of an event that survives a second recording under another event id. The event type
    leads, because neither event ids nor native ids are unique across types.
    - push: repository and push id.
    - comments, reviews, releases, threads: native id and action; what can happen again to the same
      thing (closed, reopened, edited ...) adds the second, and what may happen several times within
      one second (labels, assignees) falls through to the event id.
    - fork: the new repository's id; `forked` was added as an action later and says nothing.
    - star, public, create, delete, member: actor, repository, object and second, because these
      carry no id of their own.
    - everything else, and everything whose own id is absent: the event id.
#}
{% macro event_key() -%}
    event_type || ':' || coalesce(
        case
            when event_type = 'PushEvent'
                then cast(repository_id as varchar) || ':' || cast(push_id as varchar)
            when act in ('labeled', 'unlabeled', 'assigned', 'unassigned') then null
            when event_type in ('IssuesEvent', 'PullRequestEvent')
                then cast(thread_id as varchar) || ':' || {{ repeatable_act() }}
            when event_type in (
                'IssueCommentEvent', 'PullRequestReviewCommentEvent', 'CommitCommentEvent'
            )
                then cast(comment_id as varchar) || ':' || {{ repeatable_act() }}
            when event_type = 'PullRequestReviewEvent'
                then cast(review_id as varchar) || ':' || {{ repeatable_act() }}
            when event_type = 'ReleaseEvent'
                then cast(release_id as varchar) || ':' || {{ repeatable_act() }}
            when event_type = 'ForkEvent' then cast(forkee_id as varchar)
            when event_type in (
                'WatchEvent', 'PublicEvent', 'CreateEvent', 'DeleteEvent', 'MemberEvent'
            )
                then
                    cast(actor_id as varchar) || ':' || cast(repository_id as varchar)
                    || ':' || coalesce(act, '')
                    || ':' || coalesce(ref_type, '') || ':' || coalesce(ref, '')
                    || ':' || coalesce(cast(member_id as varchar), '')
                    || ':' || {{ second_text('occurred_at') }}
        end,
        'id:' || event_id,
        'at:' || coalesce(cast(actor_id as varchar), '') || ':'
        || coalesce(cast(repository_id as varchar), '') || ':'
        || coalesce({{ second_text('occurred_at') }}, '')
    )
{%- endmacro %}

{# Action for a key: alone where it can happen once, with the second where it can happen again. #}
{% macro repeatable_act() -%}
    case
        when act is null or act in ('opened', 'created', 'published', 'merged')
            then coalesce(act, '')
        else act || ':' || {{ second_text('occurred_at') }}
    end
{%- endmacro %}
