{{
    config(
        materialized='view',
        tags=['snapshot'],
        meta={'dagster': {'group': 'core'}}
    )
}}

select
    questions.platform,
    coalesce(questions.repository_key, names.repository_key) as repository_key,
    questions.kind,
    questions.subject,
    questions.observed_on,
    questions.outcome,
    questions.reason,
    questions.repository_name,
    questions.name_now,
    questions.recheck_on,
    questions.is_open,
    questions.is_terminal,
    questions.observed_at
from {{ ref('int_questions__answered') }} as questions
left join {{ ref('int_huggingface_names__identified') }} as names
    on
        questions.platform = 'huggingface'
        and questions.repository_type = names.repository_type
        and questions.repository_name = names.repository_name
where coalesce(questions.repository_key, names.repository_key) is not null
