"""What can be seen of a running server: health, figures, logs, traces."""
