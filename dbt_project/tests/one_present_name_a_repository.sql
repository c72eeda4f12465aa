-- Exactly one spell of each repository is the present one.
select repository_key
from {{ ref('repository_name_history') }}
group by repository_key
having count(case when valid_to is null then 1 end) <> 1
