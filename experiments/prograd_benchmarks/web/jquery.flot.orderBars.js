// asv loads flot's plugin for bars side by side, and draws none.
