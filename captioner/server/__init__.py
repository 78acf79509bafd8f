"""Captions over HTTP: the API, and the page for those who would never open a terminal."""
