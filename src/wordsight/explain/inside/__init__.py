"""What needs the towers as PyTorch modules: attention, gradients, features of patches."""
