"""The history: what was flagged, alarmed, measured and alerted on, in a database, to look back in."""
