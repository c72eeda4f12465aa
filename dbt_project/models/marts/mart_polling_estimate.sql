{%- set tiers = ['new', 'changed', 'top', 'slice', 'recheck', 'always'] %}
{# Normal quantile of a 95 % interval, and its square. #}
{%- set z, z_squared = 1.959964, 3.841459 %}

with questions as (

    select
        *,
        min(observed_on) over (partition by platform, kind, subject) as first_asked_on,
        lead(observed_on) over (
            partition by platform, kind, subject
            order by observed_on
        ) as next_asked_on
    from {{ ref('int_questions__answered') }}

),

nights as (

    select
        platform,
        kind,
        observed_on,
        count(*) as asked_count,
        {% for tier in tiers %}
        count(case when tier = '{{ tier }}' then 1 end) as asked_{{ tier }}_count,
        {% endfor %}
        count(case when tier = 'slice' and is_changed is not null then 1 end) as slice_count,
        count(case when tier = 'slice' and is_changed then 1 end) as slice_changed_count,
        count(case when observed_on = first_asked_on then 1 end) as first_asked_count
    from questions
    group by platform, kind, observed_on

),

-- A permanent failure is left alone from the next day on, until it is due or asked about.
rests as (

    select
        platform,
        kind,
        {{ days_after('observed_on', 1) }} as from_on,
        least(recheck_on, next_asked_on) as until_on
    from questions
    where is_terminal and recheck_on > observed_on

),

moves as (

    select
        platform,
        kind,
        observed_on as day,
        first_asked_count as population_move,
        0 as waiting_move
    from nights

    union all

    select
        platform,
        kind,
        from_on as day,
        0 as population_move,
        1 as waiting_move
    from rests

    union all

    select
        platform,
        kind,
        until_on as day,
        0 as population_move,
        -1 as waiting_move
    from rests

),

moved as (

    select
        platform,
        kind,
        day,
        sum(population_move) as population_move,
        sum(waiting_move) as waiting_move
    from moves
    group by platform, kind, day

),

levels as (

    select
        platform,
        kind,
        day,
        sum(population_move) over (
            partition by platform, kind
            order by day
            rows between unbounded preceding and current row
        ) as population_count,
        sum(waiting_move) over (
            partition by platform, kind
            order by day
            rows between unbounded preceding and current row
        ) as waiting_count
    from moved

),

counted as (

    select
        nights.*,
        levels.population_count,
        levels.waiting_count,
        levels.population_count - levels.waiting_count - nights.asked_count as unasked_count,
        cast(nights.slice_changed_count as double) / nullif(nights.slice_count, 0) as share,
        cast(nullif(nights.slice_count, 0) as double) as trials
    from nights
    inner join levels
        on
            nights.platform = levels.platform
            and nights.kind = levels.kind
            and nights.observed_on = levels.day

),

-- Wilson's score interval of the share that changed.
judged as (

    select
        *,
        (share + {{ z_squared }} / (2 * trials)) / (1 + {{ z_squared }} / trials)
            as middle,
        {{ z }} * sqrt(
            share * (1 - share) / trials + {{ z_squared }} / (4 * trials * trials)
        ) / (1 + {{ z_squared }} / trials) as half
    from counted

),

bounded as (

    select
        *,
        greatest(0.0, least(share, middle - half)) as low_share,
        least(1.0, greatest(share, middle + half)) as high_share
    from judged

)

select
    platform,
    kind,
    observed_on,
    cast(population_count as bigint) as population_count,
    asked_count,
    {% for tier in tiers %}
    asked_{{ tier }}_count,
    {% endfor %}
    cast(waiting_count as bigint) as waiting_count,
    cast(unasked_count as bigint) as unasked_count,
    slice_count,
    slice_changed_count,
    share as slice_changed_share,
    case when slice_count > 0 then low_share end as slice_changed_low_share,
    case when slice_count > 0 then high_share end as slice_changed_high_share,
    {% for name, expression in [
        ('estimated_missed', 'round(unasked_count * share)'),
        ('estimated_missed_low', 'floor(unasked_count * low_share)'),
        ('estimated_missed_high', 'ceil(unasked_count * high_share)'),
    ] %}
    cast(
        case
            when unasked_count = 0 then 0
            when slice_count > 0 then {{ expression }}
        end as bigint
    ) as {{ name }}_count,
    {% endfor %}
    case
        when unasked_count = 0 then 'all_asked'
        when slice_count > 0 then 'slice'
        else 'no_slice'
    end as basis
from bounded
