"""Asking a place full of pictures: queries, and the library that keeps a place and its index in step."""
