"""The penalties of experiment=train; every registered penalty joins them when prograd-run starts."""
