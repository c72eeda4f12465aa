"""What each column of the Hub's three landed tables holds.

Belongs here: one line for each column. Does not belong here: how it is read (normalise).

Source: the answers of `GET /api/models` and the parsers of huggingface_hub 2.4.
"""

_REPOSITORY = {
    "repository_type": "model.",
    "repository_name": "owner/name as the Hub writes it; case is kept.",
    "observed_at": "Day of observation, UTC midnight.",
}
DESCRIPTIONS = {
    "models": {
        **_REPOSITORY,
        "repository_id": "The Hub's internal id; null where a dump lacks it.",
        "owner_name": "Account or organisation that owns the repository.",
        "created_at": "When it was made, UTC; the Hub states 2022-03-02 for all before that day.",
        "last_modified_at": "When it was last changed, UTC.",
        "like_count": "Likes on the day of observation.",
        "download_30d_count": "Downloads in the 30 days before the observation.",
        "download_all_count": "Downloads since it was made.",
        "gated": "Who may read it: no, auto, manual, or yes where the source does not say how.",
        "is_private": "Whether it is private; never in an anonymous listing.",
        "is_disabled": "Whether the Hub has disabled it.",
        "removed_at": "When it was gone at the latest, where a dump says so.",
        "library_name": "Library that the model is made for.",
        "pipeline_tag": "Task that the model is made for.",
        "licence": "Licence of the card, else of the tags.",
        "tags": "Tags as the Hub lists them.",
        "languages": "Languages of the card.",
        "base_models": "Models it was made from, and how: finetune, adapter, quantized or merge.",
        "parameter_count": "Parameters, of safetensors or GGUF headers.",
        "storage_bytes": "Bytes stored, all revisions.",
        "trending_score": "The Hub's own score of the day.",
        "head_sha": "Newest commit of the main branch.",
        "source_form": "Form it came in: api, api_dump, radar_dump or hub_stats.",
        "extra": "Other keys of the answer as JSON, cut off above a bound.",
    },
    "commits": {
        **_REPOSITORY,
        "commit_id": "Hash of the commit.",
        "authors": "Logins; `system` is automation of the Hub.",
        "committed_at": "When it was made, UTC.",
        "title": "First line of the message.",
        "message": "The rest of the message.",
    },
    "discussions": {
        **_REPOSITORY,
        "discussion_number": "Number within the repository; pull requests count in the same row.",
        "discussion_title": "Its title.",
        "status": "open, closed, merged or draft.",
        "is_pull_request": "Whether it is a pull request.",
        "author_login": "Login of who opened it.",
        "created_at": "When it was opened, UTC.",
        "comment_count": "Comments on the day of observation.",
    },
    "histories": {
        **_REPOSITORY,
        "last_modified_at": "`lastModified` of the listing when it was asked.",
        "commits_outcome": "ok, or why there are no commits; null where they were not asked for.",
        "discussions_outcome": "ok, or why there are no discussions.",
        "commit_count": "Commits that it answered.",
        "discussion_count": "Discussions and pull requests that it answered.",
    },
}
