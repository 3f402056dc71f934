"""The folder of a run: its files, and who may write them."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import numpy
from filelock import FileLock, Timeout

from ..atomic import written_atomically
from ..evaluation import read_ranks
from ..typing import NumpyArray
from .configuration import describe_differences
from .results import write_json

__all__ = ["FORMAT", "BusyError", "OtherDataError", "RunFolder"]

FORMAT: Final = 2

#: Where files are does not decide about a result, their content does.
PLACES: Final = frozenset({"cache_root", "directory", "features", "triples"})


class BusyError(ValueError):
    """Raised if another process works in a folder."""


class OtherDataError(ValueError):
    """Raised if a folder has a run on other data."""


class RunFolder:
    """The files of one run.

    ::

        configuration.json   what was asked for; ``pykeen-adamf run`` takes it again
        effective.json       what was in force: options of all objects, digests of the data, versions, hardware
        checkpoint.pt        the state of training, as of the last epoch or minute
        curve.csv            the learning curve, epoch by epoch
        log.txt              what was logged
        ranks.npz            the rank of each test triple
        bundle/              the model with all that it needs to predict, if asked for
        result.json          metrics and times; written last, hence what has it is finished
        error.json           why the last attempt has failed
    """

    def __init__(self, path: str | Path) -> None:
        """Initialize the folder; nothing is created.

        :param path: The path of the folder.
        """
        self.path = Path(path)
        self.configuration = self.path / "configuration.json"
        self.effective = self.path / "effective.json"
        self.checkpoint = self.path / "checkpoint.pt"
        self.curve = self.path / "curve.csv"
        self.log = self.path / "log.txt"
        self.ranks = self.path / "ranks.npz"
        self.bundle = self.path / "bundle"
        self.result = self.path / "result.json"
        self.error = self.path / "error.json"

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep all other processes out; the lock of a process that is killed is released by the system.

        :yields: nothing
        :raises OSError: if the folder cannot be written to
        :raises BusyError: if another process works there
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            lock = FileLock(self.path / ".lock")
            lock.acquire(timeout=0)
        except Timeout as error:
            raise BusyError(f"Another process works in {self.path}. Wait for it, or choose another folder.") from error
        except OSError as error:
            raise OSError(f"Cannot write to {self.path}: {error}. Choose another folder.") from error
        try:
            yield
        finally:
            lock.release()

    def plan(self, configuration: Mapping[str, Any]) -> None:
        """Write down what is to be done here.

        :param configuration: The configuration.
        :raises ValueError: if the folder is another run's, of which something would be lost, or of something else
        """
        if self.configuration.exists():
            if not self._compare(configuration):
                return
            # otherwise, a mistake may be corrected
            if self._has_something:
                self.check_configuration(configuration)
            self.error.unlink(missing_ok=True)
        elif others := sorted(x.name for x in self.path.iterdir() if not x.name.startswith(".")):
            raise ValueError(f"{self.path} has other files, e.g., {others[0]}. Choose a new folder.")
        write_json(self.configuration, configuration)

    def check_configuration(self, configuration: Mapping[str, Any]) -> None:
        """Check that the configuration is the folder's.

        :param configuration: The configuration.
        :raises ValueError: if it is another one; the message says what is different
        """
        differences = self._compare(configuration)
        if differences:
            raise ValueError(
                f"{self.path} has a run of another configuration ({differences}). Choose another folder, ask for the "
                f"same as before, or remove this one."
            )

    def begin(self, configuration: Mapping[str, Any]) -> dict[str, Any] | None:
        """Begin or continue a run.

        :param configuration: The configuration.
        :returns: The result if it is finished, unless other files may have other content, which only the data can tell.
        :raises ValueError: if the folder is another run's, or of something else
        """
        self.plan(configuration)
        same = not describe_differences(_decisive(self._read(self.configuration)), _decisive(configuration))
        return self.read_result() if same else None

    def read_configuration(self) -> dict[str, Any]:
        """Return what was asked for."""
        return self._read(self.configuration)

    def forget_damaged(self) -> None:
        """Forget that the last attempt has failed, and a result whose files are damaged, such that it is run again."""
        self.error.unlink(missing_ok=True)
        try:
            if self.read_result() is not None:
                read_ranks(self.ranks)
        except ValueError:
            # a RankFileError is one
            self.result.unlink(missing_ok=True)

    def check_data(self, digest: str) -> None:
        """Check that the data are those of the folder, if it has any yet.

        :param digest: The digest of the dataset.
        :raises OtherDataError: if they are others
        """
        # of an attempt that has come to nothing, the files may be corrected
        if self.effective.exists() and self._has_something:
            stored = self._read(self.effective)
            if stored.get("data_digest") not in (None, digest):
                raise OtherDataError(
                    f"{self.path} has a run on other data: files were changed, or others were named. Choose another "
                    f"folder, or restore the files."
                )

    def read_result(self) -> dict[str, Any] | None:
        """Return the result, or ``None`` if the run is not finished.

        :returns: The content of ``result.json``.
        :raises ValueError: if it was written by another version, or is damaged
        """
        if not self.result.exists():
            return None
        result = self._read(self.result)
        if result.get("format") != FORMAT:
            raise ValueError(
                f"{self.result} is of another version of this package. Read it with that one, or choose another folder."
            )
        return result

    @property
    def has_ended(self) -> bool:
        """Return whether the run is finished, or has failed."""
        return self.result.exists() or self.error.exists()

    def read_error(self) -> str | None:
        """Return why the last attempt has failed, or ``None`` if it has not."""
        return str(self._read(self.error)["error"]) if self.error.exists() else None

    def finish(self, result: Mapping[str, Any], ranks: Mapping[str, NumpyArray]) -> None:
        """Write what has come out.

        :param result: The metrics, and whatever else is to be known.
        :param ranks: The triples and their ranks.
        """
        with written_atomically(self.ranks) as path, path.open("wb") as file:
            numpy.savez_compressed(file, **dict(ranks))  # type: ignore[arg-type]
        write_json(self.result, {"format": FORMAT, **result})
        self.error.unlink(missing_ok=True)

    def fail(self, error: str, traceback: str | None = None) -> None:
        """Write why an attempt has failed."""
        if self.path.is_dir():
            write_json(self.error, {"error": error, "traceback": traceback})

    @property
    def _has_something(self) -> bool:
        """Return whether there is anything to be lost."""
        return self.result.exists() or self.checkpoint.exists()

    def _compare(self, configuration: Mapping[str, Any]) -> str:
        """Say what is different from the configuration that the folder has, but for where files are, or nothing."""
        return describe_differences(_without_places(self.read_configuration()), _without_places(configuration))

    def _read(self, path: Path) -> dict[str, Any]:
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise ValueError(f"{path} cannot be read: {error}. Remove the folder, and run it again.") from error
        if not isinstance(content, dict):
            raise ValueError(f"{path} is no file of a run. Choose another folder.")
        return content


def _decisive(configuration: Mapping[str, Any]) -> dict[str, Any]:
    """Return a configuration without what is only said about it."""
    return {name: value for name, value in configuration.items() if name != "metadata"}


def _without_places(configuration: Mapping[str, Any]) -> dict[str, Any]:
    """Return a configuration without where its files are."""
    pipeline = dict(configuration["pipeline"])
    kwargs = pipeline.get("dataset_kwargs") or {}
    pipeline["dataset_kwargs"] = {key: x for key, x in kwargs.items() if key not in PLACES}
    return {**_decisive(configuration), "pipeline": pipeline}
