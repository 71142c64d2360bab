"""EVA's vision transformers."""
