"""Embeddings with keys and metadata: stored, filtered, searched.  Knows neither models nor images."""
