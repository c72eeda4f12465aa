{{
    config(
        materialized='table',
        tags=['snapshot'],
        meta={'dagster': {'group': 'core'}}
    )
}}

with members as (

    select distinct
        'github:organisation:' || cast(organisation_id as varchar) as organisation_key,
        'github:actor:' || cast(member_id as varchar) as actor_key,
        'public_members' as source,
        observed_on
    from {{ ref('stg_github__organisation_members') }}

    union all

    select distinct
        'huggingface:organisation:' || organisation_login as organisation_key,
        'huggingface:actor:' || member_login as actor_key,
        'hub_members' as source,
        observed_on
    from {{ ref('stg_huggingface__organisation_members') }}

),

organisations as (

    select * from {{ ref('dim_organisation') }}

),

-- Only a list that was read whole can show that somebody is no member any more.
days as (

    select
        organisations.organisation_key,
        questions.observed_on,
        questions.outcome = 'ok' as is_whole
    from organisations
    inner join {{ ref('int_questions__answered') }} as questions
        on
            questions.kind = 'organisation_members'
            and organisations.platform = questions.platform
            and organisations.native_id = questions.subject

    union all

    select
        organisation_key,
        observed_on,
        false as is_whole
    from members

),

listed as (

    select
        organisation_key,
        observed_on,
        case when bool_or(is_whole) then 1 else 0 end as whole_count
    from days
    group by organisation_key, observed_on

),

placed as (

    select
        *,
        sum(whole_count) over (
            partition by organisation_key
            order by observed_on
            rows between unbounded preceding and current row
        ) as whole_so_far,
        min(case when whole_count = 1 then observed_on end) over (
            partition by organisation_key
            order by observed_on
            rows between 1 following and unbounded following
        ) as next_whole_on
    from listed

),

sightings as (

    select
        members.*,
        placed.next_whole_on,
        placed.whole_so_far - placed.whole_count - lag(placed.whole_so_far) over (
            partition by members.organisation_key, members.actor_key
            order by members.observed_on
        ) as lists_without
    from members
    inner join placed
        on
            members.organisation_key = placed.organisation_key
            and members.observed_on = placed.observed_on

),

spells as (

    select
        *,
        sum(case when lists_without = 0 then 0 else 1 end) over (
            partition by organisation_key, actor_key
            order by observed_on
            rows between unbounded preceding and current row
        ) as spell
    from sightings

),

intervals as (

    select
        actor_key,
        organisation_key,
        source,
        min(observed_on) as first_seen_on,
        max(observed_on) as last_seen_on,
        max(next_whole_on) as next_whole_on
    from spells
    group by actor_key, organisation_key, source, spell

),

named as (

    select
        platform,
        lower(login) as login,
        {{ newest('actor_key', 'last_seen_at') }} as actor_key
    from {{ ref('dim_actor') }}
    where login is not null
    group by platform, lower(login)

),

named_organisations as (

    select
        platform,
        lower(login) as login,
        {{ newest('organisation_key', 'last_seen_at') }} as organisation_key
    from organisations
    where login is not null
    group by platform, lower(login)

),

owners as (

    select
        repository_id,
        {{ newest('owner_id', 'observed_at') }} as owner_id,
        {{ newest('owner_type', 'observed_at') }} as owner_type
    from {{ ref('int_github_stocks__observed') }}
    group by repository_id

),

-- What GitHub says beside an issue, a pull request or a comment holds at the time of that.
written as (

    select
        'github:actor:' || cast(observed.actor_id as varchar) as actor_key,
        'github:organisation:' || cast(owners.owner_id as varchar) as organisation_key,
        observed.association,
        case
            when observed.association in ('MEMBER', 'OWNER') then 3
            when observed.association = 'COLLABORATOR' then 5
        end as grade,
        cast(observed.first_written_at as date) as first_on,
        cast(observed.last_written_at as date) as last_on
    from {{ ref('int_github_associations__observed') }} as observed
    inner join owners
        on
            observed.repository_id = owners.repository_id
            and owners.owner_type = 'organisation'
    where observed.first_written_at is not null

),

associated as (

    select
        actor_key,
        organisation_key,
        grade,
        min(first_on) as first_seen_on,
        max(last_on) as last_seen_on
    from written
    where grade is not null
    group by actor_key, organisation_key, grade

),

-- Who later writes as an outsider has left; who writes as a collaborator is none of the members.
associations as (

    select
        associated.actor_key,
        associated.organisation_key,
        associated.grade,
        associated.first_seen_on,
        associated.last_seen_on,
        min(
            case
                when written.first_on > associated.last_seen_on then written.first_on
                when written.last_on > associated.last_seen_on then written.last_on
            end
        ) as ended_on
    from associated
    left join written
        on
            associated.actor_key = written.actor_key
            and associated.organisation_key = written.organisation_key
            and coalesce(written.grade, 9) > associated.grade
    group by
        associated.actor_key,
        associated.organisation_key,
        associated.grade,
        associated.first_seen_on,
        associated.last_seen_on

),

-- The domain of an address is there only where the settings keep it.
addressed as (

    select
        actor_id,
        split_part(address_hash, ' ', 2) as domain,
        min(occurred_on) as first_seen_on,
        max(occurred_on) as last_seen_on
    from {{ ref('int_github_commits__deduplicated') }}
    where actor_id is not null and split_part(address_hash, ' ', 2) <> ''
    group by actor_id, split_part(address_hash, ' ', 2)

),

domains as (

    select
        'github:actor:' || cast(addressed.actor_id as varchar) as actor_key,
        named_organisations.organisation_key,
        min(addressed.first_seen_on) as first_seen_on,
        max(addressed.last_seen_on) as last_seen_on
    from addressed
    inner join {{ ref('curated_email_domains') }} as known
        on
            lower(addressed.domain) = lower(known.domain)
            or lower(addressed.domain) like '%.' || lower(known.domain)
    inner join named_organisations
        on
            named_organisations.platform = 'github'
            and lower(known.organisation_login) = named_organisations.login
    group by addressed.actor_id, named_organisations.organisation_key

),

curated as (

    select
        named.actor_key,
        named_organisations.organisation_key,
        seed.valid_from as first_seen_on,
        max(coalesce({{ days_after('seed.valid_to', -1) }}, seed.valid_from)) as last_seen_on,
        max(seed.valid_to) as ended_on
    from {{ ref('curated_affiliations') }} as seed
    inner join named on seed.platform = named.platform and lower(seed.login) = named.login
    inner join named_organisations
        on
            seed.platform = named_organisations.platform
            and lower(seed.organisation_login) = named_organisations.login
    group by named.actor_key, named_organisations.organisation_key, seed.valid_from

),

affiliations as (

    select
        actor_key,
        organisation_key,
        source,
        1 as grade,
        first_seen_on,
        last_seen_on,
        case when next_whole_on > last_seen_on then next_whole_on end as ended_on
    from intervals

    union all

    select
        actor_key,
        organisation_key,
        'curated' as source,
        2 as grade,
        first_seen_on,
        last_seen_on,
        ended_on
    from curated

    union all

    select
        actor_key,
        organisation_key,
        'author_association' as source,
        grade,
        first_seen_on,
        last_seen_on,
        ended_on
    from associations

    union all

    select
        actor_key,
        organisation_key,
        'email_domain' as source,
        4 as grade,
        first_seen_on,
        last_seen_on,
        cast(null as date) as ended_on
    from domains

)

select
    affiliations.actor_key,
    affiliations.organisation_key,
    organisations.platform,
    affiliations.source,
    affiliations.grade,
    affiliations.first_seen_on,
    affiliations.last_seen_on,
    affiliations.ended_on,
    organisations.member_list_visibility as list_visibility
from affiliations
inner join organisations on affiliations.organisation_key = organisations.organisation_key
