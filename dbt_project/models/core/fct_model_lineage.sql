{{
    config(
        materialized='view',
        tags=['snapshot'],
        meta={'dagster': {'group': 'core'}}
    )
}}

with children as (

    select
        owner_name,
        repository_name,
        {{ each('base_models') }} as base
    from {{ ref('int_huggingface_models__latest') }}
    where repository_type = 'model' and base_models is not null

),

declared as (

    select distinct
        owner_name,
        repository_name,
        base.name as parent_name,
        coalesce(base.relation, 'unknown') as relation
    from children
    where base.name is not null and base.name <> repository_name

),

names as (

    select
        repository_name,
        repository_key
    from {{ ref('int_huggingface_names__identified') }}
    where repository_type = 'model'

)

-- A renamed model is listed under both of its names.
select distinct
    coalesce(child.repository_key, 'huggingface:model:name:' || declared.repository_name)
        as child_key,
    parent.repository_key as parent_key,
    declared.parent_name,
    declared.relation,
    split_part(declared.parent_name, '/', 1) = declared.owner_name as is_same_owner
from declared
left join names as child on declared.repository_name = child.repository_name
left join names as parent on declared.parent_name = parent.repository_name
where child.repository_key is distinct from parent.repository_key
