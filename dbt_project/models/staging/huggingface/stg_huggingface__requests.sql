{{ night_requests('huggingface') }}
