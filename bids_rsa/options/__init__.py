"""The command line and the configuration file: from what a user writes to settings."""
