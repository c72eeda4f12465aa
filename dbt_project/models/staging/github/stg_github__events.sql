select * from {{ ref('stg_github__events_v1') }}

union all

select * from {{ ref('stg_github__events_v2') }}
