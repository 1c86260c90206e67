"""Tests of `python -m authlib_kucoin`, with its commands `doctor` and `rehearse`."""
