"""Learned positions for another image size or text length, by the rule each family was published with.  Free of PyTorch.
"""
