"""What a sign-in costs, beside stock Authlib, python-social-auth and a hand-written client.

``python -m benchmarks`` prints it; every figure in the documentation comes from there.
"""
