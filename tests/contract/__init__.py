"""What holds for every framework, client and the social backend: a row for each."""
