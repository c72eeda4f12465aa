{# Own generic tests: dbt packages are not used, because `dbt deps` needs a hub. #}

{% test accepted_range(model, column_name, minimum=none, maximum=none) %}
    select {{ column_name }}
    from {{ model }}
    where
        false
        {% if minimum is not none %}or {{ column_name }} < {{ minimum }}{% endif %}
        {% if maximum is not none %}or {{ column_name }} > {{ maximum }}{% endif %}
{% endtest %}

{% test share(model, column_name) %}
    select {{ column_name }}
    from {{ model }}
    where {{ column_name }} < 0 or {{ column_name }} > 1
{% endtest %}

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
