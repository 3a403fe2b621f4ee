"""The exporter: queries in, metrics out."""
