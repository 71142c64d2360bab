"""Image towers whose trunk is timm's."""
