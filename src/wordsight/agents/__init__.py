"""A library as tools for agents: the room of `wordsight mcp`."""
