"""The command-line tools of ``python -m authlib_kucoin``: doctor and rehearse."""
