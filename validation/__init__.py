"""The offline verdict on a run: files and arrays in, a report out."""
