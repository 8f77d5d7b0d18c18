"""The cache of features and converted networks on disk."""
