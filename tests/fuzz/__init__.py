"""Damaged and hostile files: whatever is in them, they are read correctly or refused in a sentence."""
