"""Perception Encoder's files under Meta's own names."""
