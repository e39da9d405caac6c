"""What Hydra itself does differently here."""
