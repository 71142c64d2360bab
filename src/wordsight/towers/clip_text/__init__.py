"""The native text transformer: CLIP's, SigLIP's, CoCa's, MobileCLIP's."""
