"""Towers that several formats store alike, and what shapes say of sizes."""
