{{
    config(
        materialized='incremental',
        incremental_strategy='replace_days',
        unique_key='observed_on',
        tags=['snapshot', 'incremental'],
        meta={
            'dagster': {'group': 'github'},
            'replaces': {'first': 'observed_on', 'last': 'observed_on', 'ahead': 0}
        }
    )
}}

with listed as (

    select
        observed_on,
        author_id,
        author_address_hash,
        author_name,
        co_authors
    from {{ ref('stg_github__commits') }}
    where {{ in_window('observed_on') }}

),

co_authors as (

    select
        observed_on,
        {{ each('co_authors') }} as co_author
    from listed

),

signed as (

    select
        observed_on,
        author_id as actor_id,
        author_address_hash as address_hash,
        author_name as full_name
    from listed

    union all

    select
        observed_on,
        cast(null as bigint) as actor_id,
        co_author.address_hash as address_hash,
        co_author.name as full_name
    from co_authors

)

select distinct
    observed_on,
    actor_id,
    address_hash,
    {{ name_hash('full_name') }} as name_hash
from signed
where
    coalesce(cast(actor_id as varchar), address_hash) is not null
    and {{ name_hash('full_name') }} is not null
