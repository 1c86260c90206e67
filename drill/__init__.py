"""Drills: many users connect at once, while KuCoin is slow or fails, or processes are killed.

Each drill runs the demo under gunicorn on PostgreSQL, beside a sandbox of KuCoin. Afterwards it
compares the keys that the sandbox issued with the keys that the demo stored: each key must be
stored once, or the demo must show that its attempt ended as unknown. In ``drill.rush``, nothing
fails, and each key must be stored. Drills run on Linux only, because they find workers in
``/proc``.
"""
