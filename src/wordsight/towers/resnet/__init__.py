"""CLIP's modified ResNet."""
