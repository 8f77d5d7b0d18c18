"""Cache of features on disk: shards, their folder, its size limit, and checks for damage."""
