"""Finding, downloading, checking and reading weights files."""
