"""The folder of a run: its files, and who may write them."""

import json
import traceback
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, cast

import numpy
import torch
from filelock import FileLock, Timeout

from ..atomic import written_atomically
from ..bundle.training_triples import are_ids
from ..evaluation import read_ranks
from ..features.numpy_files import read_arrays
from ..limits import SizeLimit, check_regular
from ..plain_files import read_json
from ..typing import NumpyArray
from .configuration import FILES, describe_differences

__all__ = ["FORMAT", "BusyError", "RunFolder", "write_json"]

FORMAT: Final = 2


class BusyError(ValueError):
    """Raised if another process works in a folder."""


class RunFolder:
    """The files of one run in the folder at a path; nothing is created before something is written."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.configuration = self.path / "configuration.json"  # what was asked for; ``pykeen-adamf run`` takes it again
        self.effective = self.path / "effective.json"  # options of all objects, digests of the data, versions, hardware
        self.checkpoint = self.path / "checkpoint.pt"  # the state of training, as of the last epoch or minute
        self.curve = self.path / "curve.csv"  # the learning curve, epoch by epoch
        self.log = self.path / "log.txt"  # what was logged
        self.ranks = self.path / "ranks.npz"  # the rank of each test triple
        self.bundle = self.path / "bundle"  # the model with all that it needs to predict, if asked for
        self.held_out = self.path / "held_out.npz"  # the test and validation triples by the bundle's IDs
        self.result = self.path / "result.json"  # metrics and times; written last, hence what has it is finished
        self.error = self.path / "error.json"  # why the last attempt has failed

    @contextmanager
    def locked(self, timeout: float = 0) -> Iterator[None]:
        """Keep all other processes out; the lock of a process that is killed is released by the system.

        :param timeout: How long to wait for another process, in seconds; as long as it takes if negative.
        :raises OSError: if the folder cannot be written to
        :raises BusyError: if another process works there
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            lock = FileLock(self.path / ".lock").acquire(timeout=timeout)
        except Timeout as error:
            raise BusyError(f"Another process works in {self.path}. Wait for it, or choose another folder.") from error
        except OSError as error:
            raise OSError(f"Cannot write to {self.path}: {error}. Choose another folder.") from error
        with lock:
            yield

    @contextmanager
    def attempt(self) -> Iterator[None]:
        """Write down why something fails."""
        try:
            yield
        except Exception as error:
            self.fail(f"{type(error).__name__}: {error}", traceback.format_exc())
            raise

    def write_held_out(self, splits: Mapping[str, NumpyArray]) -> None:
        """Write the triples that the model of the bundle was not trained on, as IDs; the data may change later."""
        with written_atomically(self.held_out) as temporary, temporary.open("wb") as file:
            numpy.savez_compressed(file, **cast(dict[str, Any], splits))

    def read_held_out(self, num_entities: int, num_relations: int) -> dict[str, NumpyArray]:
        """Read them.

        :param num_entities: The number of the bundle's entities.
        :param num_relations: The number of its relations.
        :raises ValueError: if there are none, or they are damaged, or of others
        """
        try:
            check_regular(self.held_out)
            splits = read_arrays(self.held_out, SizeLimit(self.held_out))
            for name, triples in splits.items():
                if triples.shape != (len(triples), 3) or not are_ids(
                    torch.from_numpy(triples), num_entities, num_relations
                ):
                    raise ValueError(f"{name} has no triples of the bundle.")
        except Exception as error:
            # readers of damaged files raise almost anything
            raise ValueError(
                f"The triples that {self.path} has held out cannot be read: {error} Pass {self.bundle} to do without "
                f"them, or repeat the run in another folder."
            ) from error
        return splits

    # --- what is to be done

    def plan(self, configuration: Mapping[str, Any]) -> bool:
        """Write down what is to be done here, unless it is as before.

        :returns: Whether they are from the same place, or none are used yet; in others, files may have another content.
        :raises ValueError: if the folder is another run's, of which something would be lost, or of something else
        """
        if self.configuration.exists():
            if not self._compare(configuration, without=()):
                return True
            if self.result.exists() or self.checkpoint.exists():
                self.check_configuration(configuration)
                return False
            # nothing is lost: a mistake may be corrected
            if self._compare(configuration):
                self.error.unlink(missing_ok=True)
        elif others := sorted(x.name for x in self.path.iterdir() if not x.name.startswith(".")):
            raise ValueError(f"{self.path} has other files, e.g., {others[0]}. Choose a new folder.")
        write_json(self.configuration, configuration)
        return True

    def check_configuration(self, configuration: Mapping[str, Any]) -> None:
        """Check that the configuration is the folder's.

        :raises ValueError: if it is another one; the message says what is different
        """
        differences = self._compare(configuration)
        if differences:
            raise ValueError(
                f"{self.path} has a run of another configuration ({differences}). Choose another folder, ask for the "
                f"same as before, or remove this one."
            )

    def check_data(self, digest: str) -> None:
        """Check that the data with a digest are those of the folder, if it has any yet.

        :raises ValueError: if they are others
        """
        # of an attempt that has come to nothing, the files may be corrected
        has_something = self.effective.exists() and (self.result.exists() or self.checkpoint.exists())
        if has_something and _read(self.effective).get("data_digest") not in (None, digest):
            raise ValueError(
                f"{self.path} has a run on other data: files were changed, or others were named. Choose another "
                f"folder, or restore the files."
            )

    def read_configuration(self) -> dict[str, Any]:
        """Return what was asked for."""
        content = _read(self.configuration)
        if not isinstance(content.get("pipeline"), dict):
            raise ValueError(f"{self.configuration} is no configuration of a run. Remove the folder, and run it again.")
        return content

    def _compare(self, configuration: Mapping[str, Any], without: Collection[str] = (*FILES, "cache_root")) -> str:
        """Say what decides and is different from the configuration in the folder, or nothing.

        Where files are does not decide about a result, their content does.
        """
        decisive = []
        for content in (self.read_configuration(), configuration):
            kwargs = content["pipeline"].get("dataset_kwargs") or {}
            kept = {key: x for key, x in kwargs.items() if key not in without}
            decisive.append({**content, "metadata": None, "pipeline": {**content["pipeline"], "dataset_kwargs": kept}})
        return describe_differences(*decisive)

    # --- what has come out

    @property
    def has_ended(self) -> bool:
        """Return whether the run is finished, or has failed."""
        return self.result.exists() or self.error.exists()

    def read_result(self) -> dict[str, Any] | None:
        """Return the content of ``result.json``, or ``None`` if the run is not finished.

        :raises ValueError: if it was written by another version, or is damaged
        """
        if not self.result.exists():
            return None
        result = _read(self.result)
        if result.get("format") != FORMAT:
            raise ValueError(
                f"{self.result} is of another version of this package. Read it with that one, or choose another folder."
            )
        return result

    def read_error(self) -> str | None:
        """Return why the last attempt has failed, or ``None`` if it has not."""
        return str(_read(self.error).get("error")) if self.error.exists() else None

    def finish(self, result: Mapping[str, Any], ranks: Mapping[str, NumpyArray]) -> None:
        """Write what has come out: the metrics with whatever else is to be known, and the triples with their ranks."""
        with written_atomically(self.ranks) as path, path.open("wb") as file:
            numpy.savez_compressed(file, **dict(ranks))  # type: ignore[arg-type]
        write_json(self.result, {"format": FORMAT, **result})
        self.error.unlink(missing_ok=True)

    def fail(self, error: str, stack: str | None = None) -> None:
        """Write why an attempt has failed."""
        if self.path.is_dir():
            write_json(self.error, {"error": error, "traceback": stack})

    def forget_damaged(self) -> None:
        """Forget that the last attempt has failed, and a result whose files are damaged, such that it is run again."""
        self.error.unlink(missing_ok=True)
        try:
            if self.read_result() is not None:
                read_ranks(self.ranks)
        except ValueError:
            # a RankFileError is one
            self.result.unlink(missing_ok=True)


def write_json(path: Path, data: Mapping[str, Any]) -> None:
    """Write a file such that it is always complete."""
    with written_atomically(path, concurrently=True) as temporary:
        temporary.write_text(json.dumps(data, indent=2))


def _read(path: Path) -> dict[str, Any]:
    try:
        # losses may be no numbers
        content = read_json(path, numbers="any")
    except (OSError, ValueError) as error:
        raise ValueError(f"{path} cannot be read: {error}. Remove the folder, and run it again.") from error
    if not isinstance(content, dict):
        raise ValueError(f"{path} is no file of a run. Choose another folder.")
    return content
