"""Tokenizer files that several formats carry."""
