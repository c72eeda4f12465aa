{{
    config(
        materialized='table',
        tags=['snapshot'],
        meta={'dagster': {'group': 'core'}}
    )
}}

with archived as (

    select
        cast(actor_id as varchar) as native_id,
        actor_login as login,
        platform_type,
        first_seen_at,
        last_seen_at,
        last_seen_at as named_at,
        is_acting
    from {{ ref('int_github_actors__observed') }}

),

-- A listing says what an account is called now, whenever what it did was.
committers as (

    select
        coalesce(
            cast(coalesce(commits.actor_id, addresses.actor_id) as varchar), commits.address_hash
        ) as native_id,
        commits.actor_login as login,
        cast(null as varchar) as platform_type,
        commits.occurred_at as first_seen_at,
        commits.occurred_at as last_seen_at,
        cast(commits.file_on as timestamp) as named_at,
        true as is_acting
    from {{ ref('int_github_commits__deduplicated') }} as commits
    left join {{ ref('int_github_addresses__identified') }} as addresses
        on commits.address_hash = addresses.address_hash

),

openers as (

    select
        cast(author_id as varchar) as native_id,
        author_login as login,
        author_type as platform_type,
        created_at as first_seen_at,
        created_at as last_seen_at,
        cast(thread_observed_on as timestamp) as named_at,
        true as is_acting
    from {{ ref('int_messages__deduplicated') }}
    where platform = 'github'

),

github_members as (

    select
        cast(member_id as varchar) as native_id,
        member_login as login,
        member_type as platform_type,
        observed_at as first_seen_at,
        observed_at as last_seen_at,
        observed_at as named_at,
        false as is_acting
    from {{ ref('stg_github__organisation_members') }}

),

github_sightings as (
    {% for table in ['archived', 'committers', 'openers', 'github_members'] %}

    select * from {{ table }}
    where native_id is not null
    {% if not loop.last %}
    union all
    {% endif %}
    {% endfor %}

),

github as (

    select
        'github' as platform,
        native_id,
        {{ newest('login', 'named_at') }} as login,
        {{ newest('platform_type', 'named_at') }} as platform_type,
        min(first_seen_at) as first_seen_at,
        max(last_seen_at) as last_seen_at,
        bool_or(is_acting) as is_acting
    from github_sightings
    group by native_id

),

huggingface_sightings as (

    select
        actor_login as login,
        cast(null as varchar) as platform_type,
        occurred_at as seen_at,
        true as is_acting
    from {{ ref('int_huggingface_interactions__deduplicated') }}

    union all

    select
        account_login as login,
        account_type as platform_type,
        observed_at as seen_at,
        false as is_acting
    from {{ ref('stg_huggingface__accounts') }}

    union all

    select
        member_login as login,
        cast(null as varchar) as platform_type,
        observed_at as seen_at,
        false as is_acting
    from {{ ref('stg_huggingface__organisation_members') }}

),

huggingface as (

    select
        'huggingface' as platform,
        login as native_id,
        login,
        {{ newest('platform_type', 'seen_at') }} as platform_type,
        min(seen_at) as first_seen_at,
        max(seen_at) as last_seen_at,
        bool_or(is_acting) as is_acting
    from huggingface_sightings
    where login is not null
    group by login

),

accounts as (

    select * from github
    union all
    select * from huggingface

),

organisations as (

    select distinct cast(organisation_id as varchar) as native_id
    from {{ ref('int_github_repositories__observed') }}
    where organisation_id is not null

),

curated as (

    select
        platform,
        lower(login) as login,
        actor_class
    from {{ ref('known_automation') }}

),

evidence as (

    select
        accounts.*,
        curated.actor_class as curated_class,
        coalesce(accounts.login like '%[bot]', false) as has_bot_suffix,
        coalesce(accounts.platform_type = 'Bot', false) as is_typed_bot,
        coalesce(accounts.platform_type in ('Organization', 'organisation'), false)
        or organisations.native_id is not null as is_organisation,
        coalesce({{ matches('lower(accounts.login)', '(^|[-_.])bot($|[-_.0-9])|bot$') }}, false)
            as has_bot_word
    from accounts
    left join curated
        on
            accounts.platform = curated.platform
            and lower(accounts.login) = curated.login
    left join organisations
        on
            accounts.platform = 'github'
            and accounts.native_id = organisations.native_id

)

select
    platform || ':actor:' || native_id as actor_key,
    platform,
    native_id,
    login,
    platform_type,
    case
        when curated_class is not null then curated_class
        when has_bot_suffix or is_typed_bot then 'bot'
        when is_organisation then 'organisation'
        else 'unknown'
    end as actor_class,
    cast(
        case
            when curated_class in ('bot', 'platform_automation') then 1.0
            when has_bot_suffix or is_typed_bot then 1.0
            when has_bot_word then 0.5
            else 0.0
        end as double
    ) as automation_score,
    coalesce(
        nullif(
            concat_ws(
                ', ',
                case when curated_class is not null then 'curated_list' end,
                case when has_bot_suffix then 'name_suffix' end,
                case when is_typed_bot then 'platform_type_bot' end,
                case when is_organisation then 'organisation_account' end,
                case when has_bot_word and not has_bot_suffix then 'name_contains_bot' end
            ),
            ''
        ),
        'no_evidence'
    ) as reasons,
    'rule' as decided_by,
    is_acting,
    first_seen_at,
    last_seen_at,
    first_seen_at as valid_from
from evidence
