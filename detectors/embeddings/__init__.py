"""Vectors for queries without a model: near in angle where the queries are near. Nothing is learned or downloaded."""
