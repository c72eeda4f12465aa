{{ night_requests('github') }}
