"""Kinds of frames: each file is a generator, and the functions it is made of."""
