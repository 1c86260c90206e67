"""The cost of a sign-in, compared with stock Authlib, python-social-auth and hand-written code.

``python -m benchmarks`` prints the figures in docs/performance.md, except those of ``drill.rush``.
"""
