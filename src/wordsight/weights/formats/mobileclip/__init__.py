"""MobileCLIP's files under Apple's own names."""
