"""The demonstration: a structural model, AdaMF and AdaMF-MAT on EmojiKG, from training to answers in plain words."""
