"""Drift of the watched models: what they see now against a reference, and their predictions against the truth."""
