{%- set features = [
    ('commits', 'flow', 'commit_flow_count'),
    ('commits', 'stock', 'commit_stock_count'),
    ('discussions', 'flow', 'issue_flow_count'),
    ('discussions', 'stock', 'discussion_stock_count'),
    ('stars', 'flow', 'star_flow_count'),
    ('stars', 'stock', 'star_stock_count'),
] %}

with cells as (
    {% for platform in ['github', 'huggingface'] %}
    {% for policy in bot_policies() %}

    select
        '{{ platform }}' as platform,
        '{{ policy }}' as bot_policy
    {% if not loop.last %}
    union all
    {% endif %}
    {% endfor %}
    {% if not loop.last %}
    union all
    {% endif %}
    {% endfor %}

),

measured as (

    {% for feature, basis, column in features %}
    select
        cells.platform,
        cells.bot_policy,
        intensity.repository_key,
        '{{ feature }}' as feature,
        '{{ basis }}' as basis,
        intensity.{{ column }} as amount
    from cells
    left join {{ ref('int_repository_intensity__measured') }} as intensity
        on
            cells.platform = intensity.platform
            and cells.bot_policy = intensity.bot_policy
    {% if not loop.last %}
    union all
    {% endif %}
    {% endfor %}

)

select
    platform,
    feature,
    basis,
    bot_policy,
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
group by platform, feature, basis, bot_policy
