"""What the backend of python-social-auth needs beside KuCoin's own calls."""
