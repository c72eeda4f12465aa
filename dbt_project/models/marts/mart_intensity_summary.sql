{%- set features = [
    ('commits', 'flow', 'commit_flow_count'),
    ('commits', 'stock', 'commit_stock_count'),
    ('discussions', 'flow', 'issue_flow_count'),
    ('discussions', 'stock', 'discussion_stock_count'),
    ('stars', 'flow', 'star_flow_count'),
    ('stars', 'stock', 'star_stock_count'),
] %}

with platforms as (

    select 'github' as platform
    union all
    select 'huggingface' as platform

),

measured as (

    {% for feature, basis, column in features %}
    select
        platforms.platform,
        activity.repository_key,
        '{{ feature }}' as feature,
        '{{ basis }}' as basis,
        activity.{{ column }} as amount
    from platforms
    left join {{ ref('mart_repository_activity') }} as activity
        on
            platforms.platform = activity.platform
            and activity.repository_type in ('repository', 'model')
    {% if not loop.last %}
    union all
    {% endif %}
    {% endfor %}

)

select
    platform,
    feature,
    basis,
    count(amount) as repository_count,
    count(repository_key) - count(amount) as unknown_count,
    cast(avg(amount) as double) as mean_value,
    cast({{ quantile('amount', 0.5) }} as double) as median_value,
    max(amount) as maximum_value,
    cast(count(case when amount = 0 then 1 end) as double) / nullif(count(amount), 0)
        as zero_share,
    cast({{ quantile('amount', 0.9) }} as double) as p90_value,
    cast({{ quantile('amount', 0.99) }} as double) as p99_value,
    cast(sum(amount) as bigint) as total_value
from measured
group by platform, feature, basis
