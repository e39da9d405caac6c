"""Experiments on prograd: configurations, timing, records and the pages made from them."""
