{# Own generic tests: dbt packages are not used, because `dbt deps` needs a hub. #}

{% test unique_together(model, columns) %}
    select {{ columns | join(', ') }}
    from {{ model }}
    group by {{ columns | join(', ') }}
    having count(*) > 1
{% endtest %}

{# The columns name a row: none of them is null, and no two rows have the same. #}
{% test primary_key(model, columns) %}
    select {{ columns | join(', ') }}
    from {{ model }}
    group by {{ columns | join(', ') }}
    having count(*) > 1 or {{ columns | join(' is null or ') }} is null
{% endtest %}

{% test holds(model, condition) %}
    select *
    from {{ model }}
    where not coalesce(({{ condition }}), false)
{% endtest %}

{# Sum of the parts is the whole, row by row. #}
{% test adds_up(model, parts, whole) %}
    select {{ whole }}
    from {{ model }}
    where {{ parts | join(' + ') }} is distinct from {{ whole }}
{% endtest %}

{#
    What columns hold, one test for all of a model's: those `known` are not null; those of `one_of`
    are one of some values, and those of `between` from a least to a greatest (none: no limit),
    where they are known. The rows that are wrong, and in `wrong` which columns and why.
#}
{% test columns_hold(model, known=[], one_of={}, between={}) %}
    {%- set rules = [] -%}
    {%- for name in known -%}
        {%- do rules.append((name ~ " is null", "'" ~ name ~ " is null; '")) -%}
    {%- endfor -%}
    {%- for name, values in one_of.items() -%}
        {%- do rules.append((
            name ~ " not in ('" ~ values | join("', '") ~ "')", value_told(name)
        )) -%}
    {%- endfor -%}
    {%- for name, limits in between.items() -%}
        {%- set sides = [] -%}
        {%- if limits[0] is not none -%}{%- do sides.append(name ~ " < " ~ limits[0]) -%}{%- endif -%}
        {%- if limits[1] is not none -%}{%- do sides.append(name ~ " > " ~ limits[1]) -%}{%- endif -%}
        {%- do rules.append((sides | join(" or "), value_told(name))) -%}
    {%- endfor %}
    select
        {% for condition, told in rules -%}
        case when {{ condition }} then {{ told }} else '' end{{ ' ||' if not loop.last }}
        {% endfor -%}
        as wrong,
        *
    from {{ model }}
    where {{ rules | map(attribute=0) | join(' or ') }}
{% endtest %}

{% macro value_told(name) -%}
    '{{ name }} is ' || cast({{ name }} as varchar) || '; '
{%- endmacro %}
