"""What each page shows, computed from the log, the router and the configuration."""
