{{
    config(
        materialized='table',
        tags=['snapshot'],
        meta={'dagster': {'group': 'core'}}
    )
}}

with accounts as (

    select
        actor_key,
        platform,
        login,
        actor_class = 'organisation' as is_organisation
    from {{ ref('dim_actor') }}
    where actor_class <> 'platform_automation'

),

linked as (

    select distinct
        address_hash,
        'github:actor:' || cast(actor_id as varchar) as actor_key
    from {{ ref('int_github_commits__deduplicated') }}
    where author_role = 'author' and actor_id is not null and address_hash is not null

),

-- An address of a team or a service is linked with many.
addresses as (

    select address_hash
    from linked
    group by address_hash
    having count(*) between 2 and 3

),

signed as (

    select distinct
        'github:actor:' || coalesce(
            cast(coalesce(names.actor_id, known.actor_id) as varchar), names.address_hash
        ) as actor_key,
        names.name_hash
    from {{ ref('int_github_names__committed') }} as names
    left join {{ ref('int_github_addresses__identified') }} as known
        on names.address_hash = known.address_hash

    union

    select distinct
        'huggingface:actor:' || account_login as actor_key,
        {{ name_hash('full_name') }} as name_hash
    from {{ ref('stg_huggingface__accounts') }}
    where {{ name_hash('full_name') }} is not null

),

holders as (

    select
        signed.name_hash,
        signed.actor_key,
        count(*) over (partition by signed.name_hash) as holder_count
    from signed
    inner join accounts on signed.actor_key = accounts.actor_key

),

names as (

    select distinct actor_key
    from holders

),

pairs as (

    select
        one.actor_key as first_actor_key,
        other.actor_key as second_actor_key,
        'one address is linked with both' as reason,
        0.9 as weight,
        1 as kind
    from addresses
    inner join linked as one on addresses.address_hash = one.address_hash
    inner join linked as other
        on
            addresses.address_hash = other.address_hash
            and one.actor_key < other.actor_key

    union

    select
        one.actor_key as first_actor_key,
        other.actor_key as second_actor_key,
        'nobody else has their full name' as reason,
        0.7 as weight,
        2 as kind
    from holders as one
    inner join holders as other
        on
            one.name_hash = other.name_hash
            and one.actor_key < other.actor_key
    where one.holder_count = 2

    union

    select
        github.actor_key as first_actor_key,
        hub.actor_key as second_actor_key,
        case
            when lower(github.login) = lower(hub.login) then 'the login is the same'
            else 'the login is the same but for separators'
        end as reason,
        case when lower(github.login) = lower(hub.login) then 0.8 else 0.6 end as weight,
        3 as kind
    from accounts as github
    inner join accounts as hub
        on {{ login_letters('github.login') }} = {{ login_letters('hub.login') }}
    where
        github.platform = 'github'
        and hub.platform = 'huggingface'
        and (
            lower(github.login) = lower(hub.login)
            or length({{ login_letters('github.login') }}) >= 5
        )

),

weighed as (

    select
        pairs.first_actor_key,
        pairs.second_actor_key,
        1 - exp(sum(ln(1 - pairs.weight))) as agreement,
        {{ joined('pairs.reason', '; ', 'pairs.kind') }} as reasons,
        count(*) as evidence_count,
        bool_or(pairs.kind = 2) as is_same_name
    from pairs
    group by pairs.first_actor_key, pairs.second_actor_key

),

-- Somebody may sign with several names: they differ where no name is one of both.
compared as (

    select
        weighed.*,
        not weighed.is_same_name
        and one.actor_key is not null
        and other.actor_key is not null
        and not exists (
            select 1
            from holders as held
            inner join holders as held_too on held.name_hash = held_too.name_hash
            where
                held.actor_key = weighed.first_actor_key
                and held_too.actor_key = weighed.second_actor_key
        ) as is_contradicted
    from weighed
    left join names as one on weighed.first_actor_key = one.actor_key
    left join names as other on weighed.second_actor_key = other.actor_key

)

select
    compared.first_actor_key || ' = ' || compared.second_actor_key as suggestion_key,
    compared.first_actor_key,
    compared.second_actor_key,
    first_account.login as first_login,
    second_account.login as second_login,
    round(
        compared.agreement * case when compared.is_contradicted then 0.6 else 1.0 end, 3
    ) as identity_score,
    compared.reasons
    || case when compared.is_contradicted then '; but their full names differ' else '' end
        as reasons,
    compared.evidence_count
from compared
inner join accounts as first_account on compared.first_actor_key = first_account.actor_key
inner join accounts as second_account
    on
        compared.second_actor_key = second_account.actor_key
        and first_account.is_organisation = second_account.is_organisation
left join {{ ref('int_identities__decided') }} as decided
    on
        compared.first_actor_key = decided.first_actor_key
        and compared.second_actor_key = decided.second_actor_key
where decided.decision is null
