"""How connections are shared, closed and configured: threads, loops, forks, TLS, proxies."""
