"""Folders of transformers: CLIP, SigLIP, ALIGN, Chinese CLIP."""
