with files as (

    {{ current_files(source('huggingface_manifests', 'accounts')) }}

),

listed as (

    select * from {{ source('huggingface', 'accounts') }}

),

renamed as (

    select
        listed.day as observed_on,
        listed.account_login,
        listed.account_id,
        listed.account_type,
        listed.full_name,
        listed.plan,
        listed.is_verified,
        listed.is_pro,
        listed.member_count,
        listed.follower_count,
        listed.model_count,
        listed.dataset_count,
        listed.space_count,
        listed.discussion_count,
        listed.like_count,
        listed.organisations,
        listed.created_at,
        listed.observed_at
    from listed
    inner join files
        on
            listed.day = files.day
            and {{ base_name('listed.filename') }} = files.file

)

select * from renamed
