"""The REST interface behind the hot paths."""
