"""The extxyz format, read and written many frames at a time."""
