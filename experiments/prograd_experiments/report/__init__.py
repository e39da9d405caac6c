"""`report.html`: one sweep, or several beside each other, in one file that needs nothing else."""
