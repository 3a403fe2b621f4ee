"""The steps by which the tables of the history came to be what they are; run at the start."""
