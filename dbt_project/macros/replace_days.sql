{#
    Incremental strategy `replace_days`: delete + insert where the delete is by the window of the
    run, not only by the keys that came back. dbt's own delete+insert leaves the rows of a day that
    is now empty (a file found to be corrupt, a new version with fewer events) in place.

    The model states in `meta.replaces`: `first` and `last`, its columns with the first and last
    file day behind a row, and `ahead`, the days after the window that it recomputes as well.
    `unique_key` is the day column whose returned values are replaced whole.
#}
{% macro get_incremental_replace_days_sql(arg_dict) -%}
    {%- set rule = model.config.meta['replaces'] -%}
    {%- set columns = get_quoted_csv(arg_dict['dest_columns'] | map(attribute='name')) -%}
    delete from {{ arg_dict['target_relation'] }}
    where
        {{ touches_window(rule['first'], rule['last'], rule['ahead']) }}
        {#- Where the day column is the file day, the window says it all. #}
        {%- if arg_dict['unique_key'] != rule['first'] %}
        or {{ arg_dict['unique_key'] }} in (
            select {{ arg_dict['unique_key'] }} from {{ arg_dict['temp_relation'] }}
        )
        {%- endif %};
    insert into {{ arg_dict['target_relation'] }} ({{ columns }})
    select {{ columns }} from {{ arg_dict['temp_relation'] }}
{%- endmacro %}

{#
    For models whose days (`occurred_on`) are fed by files of other days (`first_file_on` to
    `last_file_on`): the days that a run computes anew.
#}
{% macro affected_days(events) -%}
    select occurred_on
    from {{ events }}
    where {{ in_window('file_on', ahead=1) }}
    {%- if is_incremental() %}
    union
    -- Days that an older version of the window's files fed and the present one may not.
    select occurred_on
    from {{ this }}
    where
        {{ touches_window('first_file_on', 'last_file_on', ahead=1) }}
        or {{ in_window('occurred_on', ahead=1) }}
    {%- endif %}
{%- endmacro %}
