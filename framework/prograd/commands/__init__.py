"""The `prograd` command: one file for each command, and the group that holds them."""
