{{
    config(
        materialized='table',
        tags=['snapshot'],
        meta={'dagster': {'group': 'core'}}
    )
}}

with github_sightings as (

    select
        organisation_id,
        organisation_login as login,
        first_seen_at,
        last_seen_at
    from {{ ref('int_github_repositories__observed') }}

    union all

    select
        owner_id as organisation_id,
        owner_login as login,
        observed_at as first_seen_at,
        observed_at as last_seen_at
    from {{ ref('int_github_stocks__observed') }}
    where owner_type = 'organisation'

    union all

    select
        organisation_id,
        organisation_login as login,
        observed_at as first_seen_at,
        observed_at as last_seen_at
    from {{ ref('stg_github__organisation_members') }}

),

github as (

    select
        'github' as platform,
        cast(organisation_id as varchar) as native_id,
        {{ newest('login', 'last_seen_at') }} as login,
        cast(null as varchar) as full_name,
        cast(null as varchar) as plan,
        cast(null as boolean) as is_verified,
        cast(null as bigint) as member_count,
        min(first_seen_at) as first_seen_at,
        max(last_seen_at) as last_seen_at
    from github_sightings
    where organisation_id is not null
    group by organisation_id

),

huggingface_sightings as (

    select
        account_login as login,
        full_name,
        plan,
        is_verified,
        member_count,
        observed_at
    from {{ ref('stg_huggingface__accounts') }}
    where account_type = 'organisation'

    union all

    select
        organisation_login as login,
        cast(null as varchar) as full_name,
        cast(null as varchar) as plan,
        cast(null as boolean) as is_verified,
        cast(null as bigint) as member_count,
        observed_at
    from {{ ref('stg_huggingface__organisation_members') }}

),

huggingface as (

    select
        'huggingface' as platform,
        login as native_id,
        login,
        {{ newest('full_name', 'observed_at') }} as full_name,
        {{ newest('plan', 'observed_at') }} as plan,
        {{ newest('is_verified', 'observed_at') }} as is_verified,
        {{ newest('member_count', 'observed_at') }} as member_count,
        min(observed_at) as first_seen_at,
        max(observed_at) as last_seen_at
    from huggingface_sightings
    where login is not null
    group by login

),

organisations as (

    select * from github
    union all
    select * from huggingface

),

-- The question is the organisation's number on GitHub, its login on the Hub.
lists as (

    select
        platform,
        subject,
        {{ newest('outcome', 'observed_on') }} as outcome,
        max(observed_on) as asked_on
    from {{ ref('int_questions__answered') }}
    where kind = 'organisation_members'
    group by platform, subject

)

select
    organisations.platform || ':organisation:' || organisations.native_id as organisation_key,
    organisations.platform,
    organisations.native_id,
    organisations.login,
    'organisation' as organisation_type,
    organisations.full_name,
    organisations.plan,
    organisations.is_verified,
    organisations.member_count,
    case
        when lists.outcome in ('ok', 'truncated') then 'visible'
        when lists.outcome in ('hidden', 'refused') then 'hidden'
        else 'unknown'
    end as member_list_visibility,
    lists.asked_on as member_list_asked_on,
    organisations.first_seen_at,
    organisations.last_seen_at
from organisations
left join lists
    on organisations.platform = lists.platform and organisations.native_id = lists.subject
