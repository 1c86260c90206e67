"""The drill: many people connect at once, while KuCoin fails and workers are killed.

``python -m drill`` runs the demo under gunicorn on PostgreSQL, beside a sandbox, and at the end
holds the keys that were issued against those that are stored: none may be missing, or be there
twice. Linux only, since that is where workers are found in ``/proc``.
"""
