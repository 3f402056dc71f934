"""The weights of modalities by relation, over random seeds."""

from collections.abc import Sequence

import pandas

from .blocks import Table
from .numbers import format_mean
from .points import Point

__all__ = ["average_weights", "format_weights", "summarize_weights"]


def summarize_weights(points: Sequence[Point]) -> pandas.DataFrame:
    """Summarize the weights of modalities by model and relation.

    :param points: The points of one dataset that have results.
    :returns: A row for each model, relation and modality, relations with most triples first, with the columns
        ``model``, ``relation``, ``num_triples``, ``modality``, ``weight`` (the mean over random seeds),
        ``standard_deviation`` (NaN with one seed), and ``num_seeds``. Empty if no model weights modalities.
    """
    frames = []
    for point in points:
        parts = [pandas.DataFrame(x["modality_weights"]) for x in point.results.values() if x["modality_weights"]]
        if not parts:
            continue
        groups = pandas.concat(parts, ignore_index=True).groupby(["relation", "modality"], sort=False)
        frame = groups.agg(
            num_triples=("num_triples", "max"),
            weight=("weight", "mean"),
            standard_deviation=("weight", "std"),
            num_seeds=("weight", "count"),
        ).reset_index()
        # modalities stay in their order
        frame = frame.sort_values(["num_triples", "relation"], ascending=[False, True], kind="stable")
        frames.append(frame.assign(model=point.label))
    columns = ["model", "relation", "num_triples", "modality", "weight", "standard_deviation", "num_seeds"]
    return pandas.concat(frames, ignore_index=True)[columns] if frames else pandas.DataFrame(columns=columns)


def average_weights(point: Point, limit: int | None = None) -> pandas.DataFrame | None:
    """Average the weights of modalities over random seeds.

    :param point: The runs.
    :param limit: How many relations to return, those with most triples, or ``None`` for all.
    :returns: A row for each relation, those with most triples first, and a column for each modality; or ``None`` if the
        model does not weight modalities.
    """
    frame = summarize_weights([point])
    if frame.empty:
        return None
    table = frame.pivot_table(index="relation", columns="modality", values="weight")
    return table.loc[frame["relation"].unique()[:limit], frame["modality"].unique()]


def format_weights(frame: pandas.DataFrame, limit: int) -> Table:
    """Format weights of modalities in percent.

    :param frame: The result of :func:`summarize_weights`.
    :param limit: How many relations of each model to show.
    :returns: A table.
    """
    modalities = frame["modality"].unique().tolist()
    rows = []
    for model, part in frame.groupby("model", sort=False):
        for relation in part["relation"].unique()[:limit]:
            chosen = part[part["relation"] == relation].set_index("modality")
            cells = [
                format_mean(100 * weight, None if pandas.isna(deviation) else 100 * deviation)
                for weight, deviation in chosen.reindex(modalities)[["weight", "standard_deviation"]].to_numpy()
            ]
            rows.append([model, relation, f"{chosen['num_triples'].max():,}", *cells])
    return Table(["", "relation", "test triples", *modalities], rows)
