{{
    config(
        materialized='table',
        tags=['snapshot'],
        meta={'dagster': {'group': 'core'}}
    )
}}

with current_names as (

    select
        repository_key,
        repository_name
    from {{ ref('repository_name_history') }}
    where valid_to is null

),

github_seen as (

    select
        repository_id,
        min(first_seen_at) as first_seen_at,
        max(last_seen_at) as last_seen_at,
        min(created_at) as api_created_at,
        min(create_event_at) as create_event_at,
        bool_or(is_fork) as is_fork,
        {{ newest('licence', 'stock_observed_at') }} as licence,
        {{ newest('language', 'stock_observed_at') }} as language
    from {{ ref('int_github_repositories__observed') }}
    where basis = 'event'
    group by repository_id

),

github_forks as (

    select
        repository_id,
        min(created_at) as forkee_created_at,
        {{ oldest('parent_repository_id', 'first_seen_at') }} as parent_repository_id,
        min(first_seen_at) as forked_at
    from {{ ref('int_github_repositories__observed') }}
    where basis = 'forkee'
    group by repository_id

),

-- What GitHub's API says of a repository wins over what its events said.
github_described as (

    select
        *,
        min(observed_at) over (partition by repository_id) as first_seen_at,
        max(observed_at) over (partition by repository_id) as last_seen_at,
        row_number() over (partition by repository_id order by observed_on desc) as place
    from {{ ref('int_github_stocks__observed') }}

),

github_api as (

    select * from github_described
    where place = 1

),

answers as (

    select * from {{ ref('int_repositories__answered') }}

),

github_asked as (

    select
        cast(replace(repository_key, 'github:repository:', '') as bigint) as repository_id,
        min(observed_at) as asked_at,
        {{ newest('repository_name', 'observed_at') }} as repository_name
    from answers
    where platform = 'github'
    group by repository_key

),

github_ids as (

    select repository_id from github_seen
    union
    select repository_id from github_api
    union
    select repository_id from github_asked

),

-- The last day on which something other than an answer showed the repository.
shown as (

    select
        'github:repository:' || cast(repository_id as varchar) as repository_key,
        cast(last_seen_at as date) as shown_on
    from github_seen

    union all

    select
        names.repository_key,
        max(cast(latest.listed_at as date)) as shown_on
    from {{ ref('int_huggingface_models__latest') }} as latest
    inner join {{ ref('int_huggingface_names__identified') }} as names
        on
            latest.repository_type = names.repository_type
            and latest.repository_name = names.repository_name
    group by names.repository_key

),

opened as (

    select
        repository_key,
        max(observed_on) as open_on
    from answers
    where is_open
    group by repository_key

),

-- Answers that showed no repository since one did. Of one night's answers, those that did count;
-- a listing or an event of a later day shows that what was absent is there again.
lost as (

    select
        answers.repository_key,
        min(answers.observed_on) as tombstoned_on,
        {{ newest('answers.outcome', 'answers.observed_on') }} as outcome
    from answers
    left join opened on answers.repository_key = opened.repository_key
    left join shown on answers.repository_key = shown.repository_key
    where
        not coalesce(answers.is_open, true)
        and (opened.open_on is null or answers.observed_on > opened.open_on)
        and (
            answers.outcome <> 'absent'
            or shown.shown_on is null
            or answers.observed_on >= shown.shown_on
        )
    group by answers.repository_key

),

tombstones as (

    select
        repository_key,
        tombstoned_on,
        case outcome when 'absent' then 'deleted_or_private' else outcome end as reason
    from lost

),

github as (

    select
        'github:repository:' || cast(ids.repository_id as varchar) as repository_key,
        'github' as platform,
        'repository' as repository_type,
        cast(ids.repository_id as varchar) as native_id,
        coalesce(names.repository_name, asked.repository_name) as repository_name,
        nullif(
            split_part(coalesce(names.repository_name, asked.repository_name), '/', 1), ''
        ) as owner_name,
        api.owner_type,
        coalesce(
            api.created_at, seen.api_created_at, forks.forkee_created_at, forks.forked_at,
            seen.create_event_at, seen.first_seen_at, api.first_seen_at, asked.asked_at
        ) as created_at,
        case
            when coalesce(api.created_at, seen.api_created_at) is not null then 'api'
            when
                coalesce(forks.forkee_created_at, forks.forked_at, seen.create_event_at)
                is not null then 'event'
            else 'first_seen'
        end as created_at_basis,
        coalesce(least(seen.first_seen_at, api.first_seen_at), asked.asked_at) as first_seen_at,
        coalesce(greatest(seen.last_seen_at, api.last_seen_at), asked.asked_at) as last_seen_at,
        coalesce(
            api.is_fork,
            case when forks.repository_id is not null then true else seen.is_fork end
        ) as is_fork,
        'github:repository:'
        || cast(coalesce(api.parent_repository_id, forks.parent_repository_id) as varchar)
            as forked_from_repository_key,
        case when api.repository_id is not null then api.licence else seen.licence end as licence,
        case when api.repository_id is not null then api.language else seen.language end
            as language,
        cast(null as varchar) as gated,
        api.is_private,
        api.is_disabled,
        api.is_archived,
        coalesce(
            tombstones.reason,
            case when api.is_disabled then 'disabled' when api.is_private then 'private' end
        ) as tombstone_reason,
        tombstones.tombstoned_on,
        cast(null as timestamp) as removed_at,
        cast(null as varchar) as library_name,
        cast(null as varchar) as pipeline_tag,
        cast(null as bigint) as parameter_count
    from github_ids as ids
    left join github_seen as seen on ids.repository_id = seen.repository_id
    left join github_api as api on ids.repository_id = api.repository_id
    left join github_asked as asked on ids.repository_id = asked.repository_id
    left join github_forks as forks on ids.repository_id = forks.repository_id
    left join current_names as names
        on names.repository_key = 'github:repository:' || cast(ids.repository_id as varchar)
    left join tombstones
        on tombstones.repository_key = 'github:repository:' || cast(ids.repository_id as varchar)

),

-- One Hub repository may have been listed under several names: the newest listing speaks for it.
huggingface_ranked as (

    select
        latest.*,
        names.repository_key,
        names.native_id,
        min(latest.first_seen_at) over (partition by names.repository_key) as key_first_seen_at,
        max(latest.last_seen_at) over (partition by names.repository_key) as key_last_seen_at,
        row_number() over (
            partition by names.repository_key
            order by
                latest.listed_at desc nulls last,
                latest.last_seen_at desc,
                latest.repository_name asc
        ) as place
    from {{ ref('int_huggingface_models__latest') }} as latest
    inner join {{ ref('int_huggingface_names__identified') }} as names
        on
            latest.repository_type = names.repository_type
            and latest.repository_name = names.repository_name

),

-- The Hub gives this second to everything that is older.
floored as (

    select
        *,
        created_at <= timestamp '2022-03-02 23:29:04.999999' as is_floored
    from huggingface_ranked
    where place = 1

),

owners as (

    select
        account_login,
        {{ newest('account_type', 'observed_on') }} as account_type
    from {{ ref('stg_huggingface__accounts') }}
    group by account_login

),

huggingface as (

    select
        hub.repository_key,
        'huggingface' as platform,
        hub.repository_type,
        hub.native_id,
        names.repository_name,
        coalesce(
            hub.owner_name,
            case
                when position('/' in names.repository_name) > 0
                    then split_part(names.repository_name, '/', 1)
            end
        ) as owner_name,
        owners.account_type as owner_type,
        coalesce(hub.created_at, hub.key_first_seen_at) as created_at,
        case
            when hub.created_at is null then 'first_seen'
            when hub.is_floored then 'floor'
            else 'api'
        end as created_at_basis,
        hub.key_first_seen_at as first_seen_at,
        hub.key_last_seen_at as last_seen_at,
        cast(null as boolean) as is_fork,
        cast(null as varchar) as forked_from_repository_key,
        hub.licence,
        cast(null as varchar) as language,
        hub.gated,
        hub.is_private,
        hub.is_disabled,
        cast(null as boolean) as is_archived,
        case
            when hub.removed_at is not null then 'deleted'
            when tombstones.reason is not null then tombstones.reason
            when hub.is_disabled then 'disabled'
            when hub.is_private then 'private'
        end as tombstone_reason,
        coalesce(cast(hub.removed_at as date), tombstones.tombstoned_on) as tombstoned_on,
        hub.removed_at,
        hub.library_name,
        hub.pipeline_tag,
        hub.parameter_count
    from floored as hub
    left join current_names as names on hub.repository_key = names.repository_key
    left join tombstones on hub.repository_key = tombstones.repository_key
    left join owners on hub.owner_name = owners.account_login

)

select * from github

union all

select * from huggingface
