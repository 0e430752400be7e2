"""Real clients write the messages of tests/corpus/ordinary: `python -m tests.corpus.make FOLDER`."""
