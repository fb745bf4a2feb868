"""The assets: thin steps around the core, one folder published by each."""
