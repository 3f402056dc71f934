"""Builds the embedded dataset EmojiKG from packages of the npm registry: ``python -m scripts.emojikg --help``."""
