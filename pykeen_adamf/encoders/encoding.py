"""Encoding the images, texts or attributes of all entities into a feature file."""

import logging
import os
from collections.abc import Collection, Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any, Literal, TypeAlias, get_args

import numpy
from class_resolver import HintOrType
from tqdm.auto import tqdm

from .. import __version__
from ..constants import TEXTUAL
from ..typing import NumpyArray
from .base import Encoder
from .items import Item, Items, as_items, checksum_of_items, group_items, rename_items
from .partial import PartialResult
from .problems import EncodingError, EncodingReport, Problem, UnusableInputError, explain_storage, show
from .reduction import check_dim, reduce_rows
from .resolver import find_encoder, make_encoder
from .sources import read_source
from .weights import hidden_bars

__all__ = ["Dtype", "encode", "encode_source"]

logger = logging.getLogger(__name__)

#: The data types in which features can be stored.
Dtype: TypeAlias = Literal["float16", "float32"]


def encode(
    items: Items,
    encoder: Encoder,
    output: str | Path,
    *,
    batch_size: int = 32,
    dtype: Dtype = "float32",
    dim: int | None = None,
    progress: bool = True,
    report: str | Path | None = None,
) -> EncodingReport:
    """Encode images, texts or attributes into a file that :func:`pykeen_adamf.features.read_features` reads.

    The vector of an entity is the mean over all its usable images or texts (eq. 1 of the AdaMF-MAT paper). If there are
    none, the entity misses the modality. Rows are written as soon as they are computed, into a hidden directory next
    to the output. If a run is interrupted, the next one with equal items, files, encoder and batch size continues
    there, and its result is, byte for byte, that of an uninterrupted one.

    :param items: The entities, cf. :func:`pykeen_adamf.encoders.read_folder`,
        :func:`pykeen_adamf.encoders.read_table` and :func:`pykeen_adamf.encoders.read_attributes`, or a mapping from
        each entity to its path or text, or to several.
    :param encoder: The encoder.
    :param output: The path of the file, ending in ``.safetensors``. An older file is replaced once the new one is
        complete.
    :param batch_size: How many images or texts are loaded and encoded at once.
    :param dtype: The data type to store the features in.
    :param dim: If given, reduce the vectors to that many principal components.
    :param progress: Whether to show a progress bar.
    :param report: If given, write the report to this JSON file, too.
    :returns: What has been encoded, and everything that could not be.
    :raises EncodingError: if there is nothing to encode, the output cannot be written, or an option is invalid
    """
    items = as_items(items, modality=encoder.modality)
    output = _check_output(output, report, [x for item in items for x in item.sources if isinstance(x, Path)])
    if batch_size < 1:
        raise EncodingError(f"The batch size must be positive, but is {batch_size}.")
    if dtype not in get_args(Dtype):
        raise EncodingError(f"The data type must be one of {', '.join(get_args(Dtype))}, but is {dtype!r}.")
    encoder.fit([source for item in items for source in item.sources])
    for doubt in encoder.doubts:
        logger.warning("%s", doubt)
    if dim is not None:
        check_dim(dim, num_rows=len(items), source_dim=encoder.dim)
    # what is reduced afterwards is kept as precise as it is
    row_dtype = numpy.dtype(dtype if dim is None else "float32")
    provenance = encoder.provenance()
    identity = {
        "encoder": provenance,
        "inputs": checksum_of_items(items),
        "batch size": batch_size,
        "data type": str(row_dtype),
    }
    with PartialResult(output, identity, bytes_per_row=encoder.dim * row_dtype.itemsize) as partial:
        if partial.discarded:
            logger.warning("Starting afresh: what is left of an earlier run to %s has %s.", output, partial.discarded)
        num_resumed = len(partial.presence)
        try:
            with tqdm(total=len(items), initial=num_resumed, unit="entity", disable=not progress) as bar:
                for group in group_items(items, batch_size)[partial.num_groups :]:
                    partial.append(*_encode_group(group, encoder, batch_size, row_dtype))
                    bar.update(len(group))
        except KeyboardInterrupt:
            done = f"{len(partial.presence)} of {len(items)}"
            logger.warning("Interrupted after %s entities. Run the same again to continue there.", done)
            raise
        metadata = {
            **provenance,
            "modality": encoder.modality,
            "pooling": "mean",
            "batch_size": str(batch_size),
            "pykeen-adamf": __version__,
        }
        rows = partial.rows_path
        with explain_storage(output):
            if dim is not None:
                rows = rows.with_name("reduced")
                metadata |= reduce_rows(partial.rows_path, rows, partial.presence, encoder.dim, dim, dtype)
            partial.publish(rows, dim or encoder.dim, dtype, [item.entity for item in items], metadata)
        partial.remove()
    result = EncodingReport(
        output=output,
        num_entities=len(items),
        num_encoded=sum(partial.presence),
        num_resumed=num_resumed,
        dim=dim or encoder.dim,
        problems=partial.problems,
        provenance=metadata,
    )
    if report is not None:
        try:
            result.write(report)
        except OSError as error:
            raise EncodingError(
                f"Cannot write the report to {report}: {error.strerror or error}. The features are complete: {output}"
            ) from error
    return result


def encode_source(
    source: str | Path,
    output: str | Path,
    encoder: HintOrType[Encoder],
    encoder_kwargs: Mapping[str, Any] | None = None,
    *,
    entities: Mapping[str, str] | None = None,
    **kwargs: Any,
) -> EncodingReport:
    """Encode a folder, or the entries of a table.

    :param source: The folder, cf. :func:`pykeen_adamf.encoders.read_folder`, or the table, cf.
        :func:`pykeen_adamf.encoders.read_table`, or, of attributes, :func:`pykeen_adamf.encoders.read_attributes`.
    :param output: The path of the feature file, ending in ``.safetensors``.
    :param encoder: The encoder, or its name or class.
    :param encoder_kwargs: Additional keyword-based parameters passed to the encoder.
    :param entities: The label of each entity, if the source calls them otherwise, e.g., by their IDs.
    :param kwargs: Additional keyword-based parameters passed to :func:`encode`.
    :returns: What has been encoded, and everything that could not be.
    :raises EncodingError: if anything about this is invalid
    """
    # what is cheap to check comes before a model is loaded
    source = Path(source)
    output = _check_output(output, kwargs.get("report"), [source])
    modality = find_encoder(encoder).modality
    items = read_source(source, modality)
    if entities is not None:
        items = rename_items(items, entities, str(source))
    with hidden_bars() if modality == TEXTUAL and not kwargs.get("progress", True) else nullcontext():
        made = make_encoder(encoder, encoder_kwargs)
    return encode(items, made, output, **kwargs)


def _encode_group(
    group: Sequence[Item], encoder: Encoder, batch_size: int, dtype: numpy.dtype[Any]
) -> tuple[NumpyArray, list[bool], list[Problem]]:
    """Encode a group of entities; return their rows, which of them have one, and what could not be used."""
    totals = numpy.zeros((len(group), encoder.dim))
    counts = numpy.zeros(len(group), dtype=int)
    problems = [list(item.problems) for item in group]
    for item, known in zip(group, problems, strict=True):
        if not item.sources and not known:
            known.append(Problem(item.entity, "", f"has no {encoder.modality} input"))
    jobs = [(row, source) for row, item in enumerate(group) for source in item.sources]
    for start in range(0, len(jobs), batch_size):
        inputs: list[tuple[int, str, Any]] = []
        for row, source in jobs[start : start + batch_size]:
            name = show(source) if isinstance(source, Path) else "its text"
            try:
                inputs.append((row, name, encoder.load(source)))
            except UnusableInputError as error:
                problems[row].append(Problem(group[row].entity, name, str(error)))
        if not inputs:
            continue
        vectors = encoder.encode([loaded for _, _, loaded in inputs]).numpy()
        for (row, name, _), vector in zip(inputs, vectors, strict=True):
            if numpy.isfinite(vector).all():
                totals[row] += vector
                counts[row] += 1
            else:
                problems[row].append(Problem(group[row].entity, name, "is encoded as NaN or infinity"))
    with numpy.errstate(over="ignore"):
        rows = (totals / numpy.maximum(counts, 1)[:, None]).astype(dtype)
    for row in numpy.flatnonzero(~numpy.isfinite(rows).all(axis=1)).tolist():
        problems[row].append(Problem(group[row].entity, "", f"its vector exceeds what {dtype} can hold; use float32"))
        rows[row], counts[row] = 0, 0
    return rows, (counts > 0).tolist(), [problem for row in problems for problem in row]


def _check_output(output: str | Path, report: str | Path | None, sources: Collection[Path]) -> Path:
    """Check that features, and a report, can be written before hours are spent on them, and that nothing is lost."""
    output = Path(output)
    if output.suffix != ".safetensors":
        raise EncodingError(f"Features are written as .safetensors files, but the output is {output}.")
    try:
        if output.is_dir():
            raise EncodingError(f"Cannot write {output}: it is a folder. Choose another name.")
        if not output.parent.is_dir():
            place = output.parent.absolute()
            raise EncodingError(
                f"Cannot write {output}: the folder {place} does not exist, or is none. Create it first."
            )
        # the only way to know more is to try, with a name as long as that of the partial result
        NamedTemporaryFile(dir=output.parent, prefix=f".{output.name}").close()
    except OSError as error:
        raise EncodingError(
            f"Cannot write {output}: {error.strerror or error}. Choose a folder that you may write to."
        ) from error
    places = {"output": output}
    if report is not None:
        places["report"] = _check_report(Path(report), output)
    for name, path in places.items():
        if path.exists() and any(_is_same(path, source) for source in sources):
            raise EncodingError(f"The {name} cannot be written to {path}, which is to be encoded. Choose another file.")
    return output


def _check_report(report: Path, output: Path) -> Path:
    """Check that a report can be written, and that the features are not lost by it; return its path."""
    problem = f"The report cannot be written to {report}"
    try:
        place = report.resolve()
        # an older one is overwritten at its place
        changed = place if place.exists() else place.parent
        is_writable = place.parent.is_dir() and not place.is_dir() and os.access(changed, os.W_OK)
    except (OSError, RuntimeError):
        # names that are too long, and circles of links
        is_writable = False
    if not is_writable:
        raise EncodingError(f"Cannot write the report to {report}. Choose a file in a folder that you may write to.")
    if place == output.resolve() or _is_same(place, output):
        raise EncodingError(f"{problem}, which is the output. Choose another file.")
    if place.parent == PartialResult.directory_of(output).resolve():
        raise EncodingError(f"{problem}: its folder is removed. Choose another one.")
    return report


def _is_same(path: Path, other: Path) -> bool:
    """Return whether two paths lead to one file, be it by links."""
    try:
        return path.samefile(other)
    except (OSError, ValueError):
        return False
