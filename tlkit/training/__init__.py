"""Execute a strategy: one training, from its settings to its `Run`."""
