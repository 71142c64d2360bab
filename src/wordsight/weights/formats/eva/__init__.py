"""EVA-CLIP's files under baaivision/EVA's own names."""
