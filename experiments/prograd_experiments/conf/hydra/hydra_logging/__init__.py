"""How little Hydra logs of itself."""
