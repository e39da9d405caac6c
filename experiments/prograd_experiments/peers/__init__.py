"""prograd against its peers: engines in processes of their own, which take turns at the same points."""
