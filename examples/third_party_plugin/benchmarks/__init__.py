"""The plugin's asv suite, made of prograd's parts. Configured by `asv.conf.json`."""
