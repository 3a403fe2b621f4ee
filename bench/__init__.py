"""What queries cost, next to what the machine itself can do: `make bench`."""
