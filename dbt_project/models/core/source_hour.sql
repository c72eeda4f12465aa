{{
    config(
        materialized='incremental',
        incremental_strategy='replace_days',
        unique_key='file_on',
        tags=['by_day', 'incremental'],
        meta={
            'dagster': {'group': 'core'},
            'replaces': {'first': 'file_on', 'last': 'file_on', 'ahead': 0}
        }
    )
}}

select
    'gharchive' as source,
    *
from {{ ref('stg_github__hours') }}
where {{ in_window('file_on') }}
