"""How connections are shared, closed and configured: pools, threads, loops, forks, TLS, proxies."""
