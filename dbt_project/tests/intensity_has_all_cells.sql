-- Two platforms, three features, two bases, four policies: no cell is absent or counts twice.
with cells as (

    select
        count(*) as cell_count,
        count(distinct repository_count + unknown_count) as size_count
    from {{ ref('mart_intensity_summary') }}
    group by platform

)

select *
from cells
where cell_count <> 24 or size_count <> 1
