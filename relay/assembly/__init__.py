"""Makes the parts from the settings: Config in, a part out. Nothing is started here, and nothing is stopped: that is app.py."""
