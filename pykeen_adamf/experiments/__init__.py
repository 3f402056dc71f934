"""Experiments: several models under one protocol."""
