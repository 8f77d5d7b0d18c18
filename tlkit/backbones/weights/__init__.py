"""Find, download, check and read weights files."""
