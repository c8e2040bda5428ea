"""Distances, cells and vacuum: what frames look like in space."""
