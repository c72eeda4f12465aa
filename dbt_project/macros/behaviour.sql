{#
    How an account behaves, as numbers: the features of BIMBAS and RABBIT and some of ours.

    Definitions are those of the tool RABBIT (natarajan-chidambaram/RABBIT, src/rabbit/
    important_features.py and GenerateActivities.py), so that a model fitted on its data fits ours:
    the standard deviation is the sample's and 0 for one value or none; Gini leaves zeros out and is
    0 where nothing is left; quantiles are interpolated linearly; the others are null where there is
    no value. Ours differ in that a repository is its number and not its name, that acts of one
    second have an order, and that values are not rounded.

    Times are whole seconds, so that all sums are exact and no order of rows shows in them.
#}

{% macro behaviour_acts() -%}{{ return(300) }}{%- endmacro %}
{% macro behaviour_days() -%}{{ return(28) }}{%- endmacro %}
{% macro behaviour_least() -%}{{ return(5) }}{%- endmacro %}

{# Family of values to the unit that it is told in, in seconds; none for counts. #}
{% macro behaviour_families() -%}
    {{ return({
        'gap_hours': 3600,
        'acts_per_repository': none,
        'kinds_per_repository': none,
        'acts_in_a_row': none,
        'hours_in_repository': 3600,
        'hours_to_next_repository': 3600,
        'hours_to_next_kind': 3600,
        'acts_per_kind': none,
    }) }}
{%- endmacro %}

{% macro behaviour_statistics() -%}
    {{ return(['mean', 'median', 'std', 'gini', 'iqr']) }}
{%- endmacro %}

{# Columns that the macro's last table has beside `account`, in order. #}
{% macro behaviour_columns() -%}
    {%- set columns = [
        'act_count', 'act_kind_count', 'repository_count', 'owner_count',
        'owner_per_repository_rate'
    ] -%}
    {%- for family in behaviour_families() -%}
        {%- for statistic in behaviour_statistics() -%}
            {%- do columns.append(family ~ '_' ~ statistic) -%}
        {%- endfor -%}
    {%- endfor -%}
    {{ return(columns + [
        'hour_entropy', 'weekday_entropy', 'thread_count', 'response_seconds_median'
    ]) }}
{%- endmacro %}

{# Linear interpolation between order statistics, of values with a `place` among `value_count`. #}
{% macro placed_quantile(share) -%}
    {%- set at = '(value_count - 1) * ' ~ share -%}
    max(case when place = floor({{ at }}) + 1 then value end)
    + (
        max(case when place = ceil({{ at }}) + 1 then value end)
        - max(case when place = floor({{ at }}) + 1 then value end)
    ) * max({{ at }} - floor({{ at }}))
{%- endmacro %}

{# Evenness of a part of the time over its values: 1 even, 0 always the same. #}
{% macro evenness(name, part, values) -%}
    {{ name }}_parts as (

        select
            account,
            extract({{ part }} from acted_at) as part,
            cast(count(*) as double) as act_count
        from behaviour_ordered
        group by account, extract({{ part }} from acted_at)

    ),

    {{ name }}_evenness as (

        select
            account,
            round(
                greatest(
                    (ln(sum(act_count)) - sum(act_count * ln(act_count)) / sum(act_count))
                    / ln({{ values }}),
                    0
                ),
                6
            ) as {{ name }}_entropy
        from {{ name }}_parts
        group by account

    )
{%- endmacro %}

{#
    Common table expressions that end in `behaviour`: one row an account of `acts`.

    acts: account, act_key (an order among acts of a second), acted_at, repository, owner, kind,
        thread (null for what is in none).
    answers: account, answer_seconds; from the opening of another's thread to the account's first
        comment on it.
#}
{% macro behaviour(acts, answers) -%}
    behaviour_ordered as (

        select
            account,
            acted_at,
            repository,
            owner,
            kind,
            thread,
            row_number() over (partition by account order by acted_at, act_key) as place,
            lag(acted_at) over (partition by account order by acted_at, act_key) as acted_before_at,
            lag(repository) over (partition by account order by acted_at, act_key)
                as repository_before,
            lag(kind) over (partition by account order by acted_at, act_key) as kind_before
        from {{ acts }}

    ),

    behaviour_numbered as (

        select
            account,
            acted_at,
            repository,
            kind,
            sum(case when repository = repository_before then 0 else 1 end) over (
                partition by account
                order by place
                rows between unbounded preceding and current row
            ) as repository_turn,
            sum(case when kind = kind_before then 0 else 1 end) over (
                partition by account
                order by place
                rows between unbounded preceding and current row
            ) as kind_turn
        from behaviour_ordered

    ),
    {% for turn in ['repository', 'kind'] %}
    {{ turn }}_turns as (

        select
            account,
            {{ turn }}_turn,
            count(*) as act_count,
            min(acted_at) as first_at,
            max(acted_at) as last_at
        from behaviour_numbered
        group by account, {{ turn }}_turn

    ),

    {{ turn }}_turns_placed as (

        select
            *,
            lead(first_at) over (partition by account order by {{ turn }}_turn) as next_at
        from {{ turn }}_turns

    ),
    {% endfor %}
    behaviour_repositories as (

        select
            account,
            repository,
            count(*) as act_count,
            count(distinct kind) as kind_count
        from behaviour_ordered
        group by account, repository

    ),

    behaviour_values as (

        select
            account,
            'gap_hours' as family,
            {{ seconds_between('acted_before_at', 'acted_at') }} as value
        from behaviour_ordered
        where acted_before_at is not null

        union all

        select
            account,
            'acts_per_repository' as family,
            act_count as value
        from behaviour_repositories

        union all

        select
            account,
            'kinds_per_repository' as family,
            kind_count as value
        from behaviour_repositories

        union all

        select
            account,
            'acts_in_a_row' as family,
            act_count as value
        from repository_turns

        union all

        select
            account,
            'hours_in_repository' as family,
            {{ seconds_between('first_at', 'last_at') }} as value
        from repository_turns

        union all

        select
            account,
            'hours_to_next_repository' as family,
            {{ seconds_between('last_at', 'next_at') }} as value
        from repository_turns_placed
        where next_at is not null

        union all

        select
            account,
            'hours_to_next_kind' as family,
            {{ seconds_between('last_at', 'next_at') }} as value
        from kind_turns_placed
        where next_at is not null

        union all

        select
            account,
            'acts_per_kind' as family,
            count(*) as value
        from behaviour_ordered
        group by account, kind

        union all

        select
            account,
            'response_seconds' as family,
            answer_seconds as value
        from {{ answers }}

    ),

    behaviour_placed as (

        select
            account,
            family,
            value,
            row_number() over (partition by account, family order by value) as place,
            count(*) over (partition by account, family) as value_count
        from behaviour_values

    ),

    behaviour_moments as (

        select
            account,
            family,
            max(value_count) as value_count,
            sum(value) as value_sum,
            sum(value * value) as square_sum,
            sum(place * value) as placed_sum,
            sum(case when value = 0 then 1 else 0 end) as zero_count,
            {{ placed_quantile(0.25) }} as low_quartile,
            {{ placed_quantile(0.5) }} as median,
            {{ placed_quantile(0.75) }} as high_quartile
        from behaviour_placed
        group by account, family

    ),

    behaviour_summaries as (

        select
            account,
            family,
            cast(value_sum as double) / value_count as mean,
            median,
            case
                when value_count = 1 then 0
                else
                    sqrt(
                        cast(value_count * square_sum - value_sum * value_sum as double)
                        / (value_count * (value_count - 1))
                    )
            end as std,
            case
                when value_sum = 0 then 0
                else
                    cast(
                        2 * placed_sum - (value_count + zero_count + 1) * value_sum as double
                    )
                    / ((value_count - zero_count) * value_sum)
            end as gini,
            high_quartile - low_quartile as iqr
        from behaviour_moments

    ),

    behaviour_spread as (

        select
            account
            {%- for family, unit in behaviour_families().items() %}
            {%- for statistic in behaviour_statistics() %},
            {% if statistic in ['std', 'gini'] %}coalesce({% endif -%}
            max(case when family = '{{ family }}' then {{ statistic }} end)
            {%- if unit and statistic != 'gini' %} / {{ unit }}.0{% endif %}
            {%- if statistic in ['std', 'gini'] %}, 0.0){% endif %} as {{ family }}_{{ statistic }}
            {%- endfor %}
            {%- endfor %},
            max(case when family = 'response_seconds' then median end) as response_seconds_median
        from behaviour_summaries
        group by account

    ),

    behaviour_totals as (

        select
            account,
            count(*) as act_count,
            count(distinct kind) as act_kind_count,
            count(distinct repository) as repository_count,
            count(distinct owner) as owner_count,
            count(distinct thread) as thread_count
        from behaviour_ordered
        group by account

    ),

    {{ evenness('hour', 'hour', 24) }},

    {{ evenness('weekday', 'dow', 7) }},

    behaviour as (

        select
            totals.*,
            cast(totals.owner_count as double) / totals.repository_count
                as owner_per_repository_rate,
            {%- for family in behaviour_families() %}
            {%- for statistic in behaviour_statistics() %}
            spread.{{ family }}_{{ statistic }},
            {%- endfor %}
            {%- endfor %}
            spread.response_seconds_median,
            hours.hour_entropy,
            weekdays.weekday_entropy
        from behaviour_totals as totals
        inner join behaviour_spread as spread on totals.account = spread.account
        inner join hour_evenness as hours on totals.account = hours.account
        inner join weekday_evenness as weekdays on totals.account = weekdays.account

    )
{%- endmacro %}
