"""Messages to be judged, as files."""
