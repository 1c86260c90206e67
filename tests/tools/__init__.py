"""`python -m authlib_kucoin`: doctor and rehearse."""
