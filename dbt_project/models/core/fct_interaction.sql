{{
    config(
        materialized='view',
        tags=['snapshot'],
        meta={'dagster': {'group': 'core'}}
    )
}}

with github as (

    select
        'github' as platform,
        event_key,
        file_on,
        repository_key,
        actor_key,
        kind,
        action,
        occurred_at,
        occurred_on,
        thread_kind,
        thread_number,
        push_size,
        event_id,
        'gharchive' as source,
        era,
        schema_version
    from {{ ref('int_github_events__deduplicated') }}

),

-- Commits that GitHub's API listed, by each of their authors. A push that was archived stands for
-- some of them as well: count pushes or commits, never both.
github_authors as (

    select
        commits.file_on,
        commits.repository_id,
        commits.commit_sha,
        commits.author_role,
        commits.address_hash,
        commits.occurred_at,
        commits.occurred_on,
        'github:actor:' || coalesce(
            cast(coalesce(commits.actor_id, addresses.actor_id) as varchar), commits.address_hash
        ) as actor_key
    from {{ ref('int_github_commits__deduplicated') }} as commits
    left join {{ ref('int_github_addresses__identified') }} as addresses
        on commits.address_hash = addresses.address_hash

),

-- Who names a second address of their own as co-author is one actor.
github_commits as (

    select
        'github' as platform,
        'commit:' || cast(named.repository_id as varchar) || ':' || named.commit_sha
        || case when named.author_role = 'co_author' then ':' || named.address_hash else '' end
            as event_key,
        named.file_on,
        'github:repository:' || cast(named.repository_id as varchar) as repository_key,
        named.actor_key,
        'commit' as kind,
        'committed' as action,
        named.occurred_at,
        named.occurred_on,
        cast(null as varchar) as thread_kind,
        cast(null as bigint) as thread_number,
        cast(null as bigint) as push_size,
        named.commit_sha as event_id,
        'github_api' as source,
        cast(null as varchar) as era,
        cast(null as integer) as schema_version
    from github_authors as named
    left join github_authors as author
        on
            named.author_role = 'co_author'
            and author.author_role = 'author'
            and named.repository_id = author.repository_id
            and named.commit_sha = author.commit_sha
            and named.actor_key = author.actor_key
    where author.actor_key is null

),

-- A repository that was renamed is listed under both names: its acts count once.
huggingface_named as (

    select
        acts.*,
        coalesce(
            names.repository_key,
            'huggingface:' || acts.repository_type || ':name:' || acts.repository_name
        ) as repository_key,
        case acts.kind
            when 'commit' then 'commit'
            when 'discussion_comment' then 'comment'
            else 'thread'
        end as family
    from {{ ref('int_huggingface_interactions__deduplicated') }} as acts
    left join {{ ref('int_huggingface_names__identified') }} as names
        on
            acts.repository_type = names.repository_type
            and acts.repository_name = names.repository_name

),

huggingface_acts as (

    select
        *,
        row_number() over (
            partition by
                repository_key,
                family,
                event_id,
                case when kind = 'commit' then actor_login end
            order by file_on, event_key
        ) as place
    from huggingface_named

),

huggingface_threads as (

    select
        repository_key,
        thread_number,
        kind
    from huggingface_acts
    where family = 'thread' and place = 1

),

huggingface as (

    select
        'huggingface' as platform,
        acts.event_key,
        acts.file_on,
        acts.repository_key,
        'huggingface:actor:' || acts.actor_login as actor_key,
        acts.kind,
        acts.action,
        acts.occurred_at,
        acts.occurred_on,
        case when acts.kind <> 'commit' then threads.kind end as thread_kind,
        acts.thread_number,
        cast(null as bigint) as push_size,
        acts.event_id,
        'huggingface' as source,
        cast(null as varchar) as era,
        cast(null as integer) as schema_version
    from huggingface_acts as acts
    left join huggingface_threads as threads
        on
            acts.repository_key = threads.repository_key
            and acts.thread_number = threads.thread_number
    where acts.place = 1

)

select * from github

union all

select * from github_commits

union all

select * from huggingface
