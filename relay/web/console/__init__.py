"""The console: what operators look at and do, in a browser. Pages are made here; what a script adds can be done without."""
