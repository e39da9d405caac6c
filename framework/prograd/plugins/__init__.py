"""Plugins: what is installed, what each plugin brings, and the registry of all layers, losses and penalties."""
