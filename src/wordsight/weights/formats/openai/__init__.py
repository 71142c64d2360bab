"""OpenAI's archives and state dicts."""
