"""The cost of a sign-in, compared with stock Authlib, python-social-auth and hand-written code.

``python -m benchmarks`` prints every figure that the documentation quotes.
"""
