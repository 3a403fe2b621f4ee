"""The drop directory: files that are put into a folder are read as queries."""
