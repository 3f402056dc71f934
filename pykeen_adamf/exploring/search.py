"""Finding entities by a part of their label or text."""

from collections.abc import Sequence

__all__ = ["EntityIndex"]


class EntityIndex:
    """The labels and texts of entities, to be searched without regard to upper and lower case."""

    def __init__(self, labels: Sequence[str], texts: Sequence[str]) -> None:
        """Initialize the index with the label and the text of each entity, by ID."""
        self.labels = [label.casefold() for label in labels]
        self.texts = [text.casefold() for text in texts]

    def search(self, query: str, k: int) -> list[int]:
        """Return the IDs of at most k entities: those called so first, and those whose text has the query last.

        Between these are labels that begin with the query, that have a word which does, and that have it anywhere; of
        the same kind, short labels come first.
        """
        query = " ".join(query.casefold().split())
        if not query:
            return []
        found = []
        for i, label in enumerate(self.labels):
            position = label.find(query)
            if position >= 0:
                is_word = position == 0 or not label[position - 1].isalnum()
                found.append((label != query, position != 0, not is_word, len(label), label, i))
        ids = [row[-1] for row in sorted(found)[:k]]
        if len(ids) < k:
            known = {row[-1] for row in found}
            others = (i for i, text in enumerate(self.texts) if i not in known and query in text)
            ids.extend(i for _, i in zip(range(k - len(ids)), others, strict=False))
        return ids
