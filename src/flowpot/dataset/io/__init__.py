"""Frames from and to files, other programs and other libraries."""
