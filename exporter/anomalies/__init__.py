"""Learned normal, live: series are read, learned, judged, exposed and kept. The maths is in `detectors.series`.

source     sources.py: prometheus.py (PromQL) or own.py (the exporter's own metrics), contexts.py, events.py
reading    blocks.py: on the grid, without duplicates; what is skipped is counted by reason
judging    watched.py: a query and its series; series.py: one of them; groups.py: several together
learning   learning.py, schedule.py, kept.py (versions on the disk)
results    incidents.py, log.py (what was found), exposition.py (metrics)
service.py the threads
"""
