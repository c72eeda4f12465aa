{{ night_answers('github') }}
