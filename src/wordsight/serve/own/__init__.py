"""Our own API, below `/api`: one file a subject, and one table of its routes."""
