"""How little Hydra logs of a job."""
