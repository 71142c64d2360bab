"""The Vision Transformer: CLIP's, SigLIP's, CoCa's, Perception Encoder's, MobileCLIP-B's."""
