{{ night_answers('huggingface') }}
