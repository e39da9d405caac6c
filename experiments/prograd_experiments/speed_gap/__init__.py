"""The speed gap: how much slower forward mode is than reverse mode, as depth and width grow."""
