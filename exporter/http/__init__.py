"""HTTP: connections, TLS, and the paths that must be fast."""
