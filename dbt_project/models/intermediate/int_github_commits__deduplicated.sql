{{
    config(
        materialized='incremental',
        incremental_strategy='delete+insert',
        unique_key=['repository_id', 'commit_sha'],
        tags=['snapshot', 'incremental'],
        meta={'dagster': {'group': 'github'}}
    )
}}

{%- set facts = [
    'file_on', 'repository_id', 'commit_sha', 'author_role', 'actor_id', 'actor_login',
    'address_hash'
] %}

with listed as (

    select
        *,
        row_number() over (
            partition by repository_id, commit_sha
            order by observed_on, author_id nulls last, author_address_hash
        ) as place
    from {{ ref('stg_github__commits') }}
    where {{ in_window('observed_on') }}

),

-- Git does not need a date, GitHub shows one: where neither is there, the day it was listed on.
authors as (

    select
        observed_on as file_on,
        repository_id,
        commit_sha,
        'author' as author_role,
        author_id as actor_id,
        author_login as actor_login,
        author_address_hash as address_hash,
        coalesce(committed_at, authored_at, cast(observed_on as timestamp)) as occurred_at
    from listed
    where place = 1

),

named as (

    select
        observed_on as file_on,
        repository_id,
        commit_sha,
        author_address_hash,
        coalesce(committed_at, authored_at, cast(observed_on as timestamp)) as occurred_at,
        {{ each('co_authors') }} as co_author
    from listed
    where place = 1

),

co_authors as (

    select distinct
        file_on,
        repository_id,
        commit_sha,
        'co_author' as author_role,
        cast(null as bigint) as actor_id,
        cast(null as varchar) as actor_login,
        co_author.address_hash as address_hash,
        occurred_at
    from named
    where
        co_author.address_hash is not null
        and co_author.address_hash is distinct from author_address_hash

),

pool as (

    select * from authors
    union all
    select * from co_authors

    {% if is_incremental() %}
    union all

    select
        {% for fact in facts %}
        known.{{ fact }},
        {% endfor %}
        known.occurred_at
    from {{ this }} as known
    where
        exists (
            select 1 from listed
            where
                listed.repository_id = known.repository_id
                and listed.commit_sha = known.commit_sha
                and listed.observed_on > known.file_on
                and listed.place = 1
        )
    {% endif %}

),

-- A commit stays as it was first listed, with all who made it.
ranked as (

    select
        *,
        rank() over (
            partition by repository_id, commit_sha
            order by file_on
        ) as place
    from pool

)

select
    {% for fact in facts %}
    {{ fact }},
    {% endfor %}
    occurred_at,
    cast(occurred_at as date) as occurred_on
from ranked
where place = 1
