"""The configuration that ships with prograd-run; this file makes the folder part of the wheel."""
