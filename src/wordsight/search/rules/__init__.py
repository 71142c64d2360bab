"""Saved searches, and rules that act on the images that match them."""
