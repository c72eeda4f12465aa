{#
    Placeholders in a test's `where`, so that the tests of tables that grow with history look at the
    days of the run (all days where the run has no window). Macros are not available in yml, hence
    the placeholders.
    `__file_days__`: archive file days of the run and one on each side.
    `__observed_days__`: observation days of the run.
    `__fed_days__`: rows that the window's files feed, of tables that keep their file days.
    `__acting_days__`: days of acts from a day before the run's window to its end.
#}
{% macro get_where_subquery(relation) -%}
    {%- set where = config.get('where', '') or '' -%}
    {%- set where = where
        | replace('__file_days__', in_window('file_on', back=1, ahead=1))
        | replace('__observed_days__', in_window('observed_on'))
        | replace('__fed_days__', touches_window('first_file_on', 'last_file_on', ahead=1))
        | replace('__acting_days__', in_window('occurred_on', back=1)) -%}
    {%- if where -%}
        (select * from {{ relation }} where {{ where }}) as dbt_subquery
    {%- else -%}
        {{ relation }}
    {%- endif -%}
{%- endmacro %}
