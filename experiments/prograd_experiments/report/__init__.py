"""`report.html`: one sweep, or several side by side, in one file that needs nothing else."""
