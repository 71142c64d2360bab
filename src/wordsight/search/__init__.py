"""Asking for images: queries, and the library that keeps a location and its index in step."""
