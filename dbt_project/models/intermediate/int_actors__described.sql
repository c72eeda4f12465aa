{{
    config(
        materialized='table',
        tags=['snapshot'],
        meta={'dagster': {'group': 'core'}}
    )
}}

{#- All that a class can depend on, as one text: who has the same is not classified again. -#}
{%- set weighed = [
    'platform', 'login', 'platform_type', 'is_organisation', 'is_platform_staff', 'is_told_staff',
    'message_count', 'repeated_text_share', 'template_text_share'
] %}
{%- set parts = [] %}
{%- for columns in [weighed, behaviour_columns()] %}
{%- for column in columns %}
{%- do parts.append("coalesce(cast(" ~ column ~ " as varchar), '')") %}
{%- endfor %}
{%- endfor %}
{%- set told = "concat_ws('|', " ~ parts | join(', ') ~ ")" %}

with archived as (

    select
        cast(actor_id as varchar) as native_id,
        actor_login as login,
        platform_type,
        first_seen_at,
        last_seen_at,
        last_seen_at as named_at,
        is_acting,
        event_count,
        0 as listed_count
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
        true as is_acting,
        0 as event_count,
        1 as listed_count
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
        true as is_acting,
        0 as event_count,
        1 as listed_count
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
        false as is_acting,
        0 as event_count,
        0 as listed_count
    from {{ ref('stg_github__organisation_members') }}

),

writers as (

    select
        cast(actor_id as varchar) as native_id,
        actor_login as login,
        platform_type,
        first_written_at as first_seen_at,
        last_written_at as last_seen_at,
        cast(observed_on as timestamp) as named_at,
        true as is_acting,
        0 as event_count,
        0 as listed_count
    from {{ ref('int_github_associations__observed') }}

),

github_sightings as (
    {% for table in ['archived', 'committers', 'openers', 'github_members', 'writers'] %}

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
        bool_or(is_acting) as is_acting,
        -- Pushes stand for commits: of the two ways in which acts are known the longer list.
        cast(greatest(sum(event_count), sum(listed_count)) as bigint) as known_act_count
    from github_sightings
    group by native_id

),

huggingface_sightings as (

    select
        actor_login as login,
        cast(null as varchar) as platform_type,
        occurred_at as seen_at,
        true as is_acting,
        1 as act_count
    from {{ ref('int_huggingface_interactions__deduplicated') }}

    union all

    select
        account_login as login,
        account_type as platform_type,
        observed_at as seen_at,
        false as is_acting,
        0 as act_count
    from {{ ref('stg_huggingface__accounts') }}

    union all

    select
        member_login as login,
        cast(null as varchar) as platform_type,
        observed_at as seen_at,
        false as is_acting,
        0 as act_count
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
        bool_or(is_acting) as is_acting,
        cast(sum(act_count) as bigint) as known_act_count
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

staff as (

    select distinct
        'github' as platform,
        cast(member_id as varchar) as native_id
    from {{ ref('stg_github__organisation_members') }}
    where lower(organisation_login) = 'github' and member_id is not null

    union all

    select distinct
        'huggingface' as platform,
        member_login as native_id
    from {{ ref('stg_huggingface__organisation_members') }}
    where lower(organisation_login) = 'huggingface' and member_login is not null

),

-- What the platform says itself. Administrators are staff, moderators need not be. Files from
-- before it was kept say nothing, and do not outweigh those that do.
authors as (

    select
        author_login,
        observed_on,
        coalesce(is_author_staff or is_author_admin, is_author_staff, is_author_admin)
            as is_told_staff
    from {{ ref('stg_huggingface__discussion_events') }}
    where author_login is not null

),

told_staff as (

    select
        'huggingface' as platform,
        author_login as native_id,
        {{ newest('is_told_staff', 'observed_on') }} as is_told_staff
    from authors
    group by author_login

),

behaved as (
    {% for platform, native_id in [('github', 'actor_id'), ('huggingface', 'actor_login')] %}

    select
        '{{ platform }}' as platform,
        {% for column in behaviour_columns() %}
        {{ column }},
        {% endfor %}
        cast({{ native_id }} as varchar) as native_id
    from {{ ref('int_' ~ platform ~ '_actors__behaved') }}
    {% if not loop.last %}
    union all
    {% endif %}
    {% endfor %}

),

evidence as (

    select
        accounts.platform || ':actor:' || accounts.native_id as actor_key,
        accounts.platform,
        accounts.native_id,
        accounts.login,
        accounts.platform_type,
        coalesce(accounts.platform_type in ('Organization', 'organisation'), false)
        or organisations.native_id is not null as is_organisation,
        staff.native_id is not null as is_platform_staff,
        told_staff.is_told_staff,
        accounts.is_acting,
        accounts.known_act_count,
        accounts.first_seen_at,
        accounts.last_seen_at,
        {% for column in behaviour_columns() %}
        behaved.{{ column }},
        {% endfor %}
        messaged.message_count,
        messaged.repeated_text_share,
        messaged.template_text_share
    from accounts
    left join organisations
        on
            accounts.platform = 'github'
            and accounts.native_id = organisations.native_id
    left join staff
        on
            accounts.platform = staff.platform
            and accounts.native_id = staff.native_id
    left join told_staff
        on
            accounts.platform = told_staff.platform
            and accounts.native_id = told_staff.native_id
    left join behaved
        on
            accounts.platform = behaved.platform
            and accounts.native_id = behaved.native_id
    left join {{ ref('int_actors__messaged') }} as messaged
        on
            accounts.platform = messaged.platform
            and accounts.native_id = messaged.native_id

)

select
    *,
    {{ text_hash(told) }} as evidence_digest
from evidence
