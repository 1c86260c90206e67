"""`python -m authlib_kucoin`: the commands `doctor` and `rehearse`."""
