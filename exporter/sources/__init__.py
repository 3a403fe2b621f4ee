"""Where queries come from: pushes, single queries that wait for their verdict, and dropped files."""
