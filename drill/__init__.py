"""Drills: many users connect at once, while KuCoin is slow or fails and processes are killed.

Each drill runs the demo under gunicorn on PostgreSQL, beside a sandbox of KuCoin. ``drill`` and
``drill.fleet`` compare the keys that the sandbox issued with the keys that the demo stored: no key
may be missing or stored twice. Drills run on Linux only, because they find workers in ``/proc``.
"""
