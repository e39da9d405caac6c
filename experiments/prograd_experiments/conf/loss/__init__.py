"""The losses of prograd-run; beside `default` stands every loss that is registered."""
