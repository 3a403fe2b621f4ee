"""Drift: whether what a model sees now is distributed as its reference was. Functions on arrays, one file a method."""
