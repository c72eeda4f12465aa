select
    platform,
    actor_class,
    decided_by,
    count(*) as actor_count,
    count(case when is_acting then 1 end) as acting_actor_count,
    {% for policy in removing_policies() %}
    count(case when is_removed_by_{{ policy }} then 1 end) as removed_by_{{ policy }}_count,
    {% endfor %}
    count(case when is_uncertain then 1 end) as uncertain_count
from {{ ref('dim_actor') }}
group by platform, actor_class, decided_by
