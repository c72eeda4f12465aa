{# Bare schema names: core.dim_repository, never main_core.dim_repository. #}
{% macro generate_schema_name(custom_schema_name, node) -%}
    {{ (custom_schema_name or target.schema) | trim }}
{%- endmacro %}
