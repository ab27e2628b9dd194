"""Kaipiao (开票): issues, seals, uploads and proves 数电票, also while the tax server does not answer."""

__version__ = "0.1.0"
