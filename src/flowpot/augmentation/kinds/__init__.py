"""Kinds of frames: each file has a generator and the functions that it is made of."""
