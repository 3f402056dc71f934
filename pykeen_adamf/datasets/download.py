"""Downloads that are checked before they appear at their place."""

import logging
import tempfile
from collections.abc import Callable
from pathlib import Path

import gdown
from pystow.utils import download as pystow_download

from ..digests import digest_file

__all__ = ["DownloadError", "ensure_from_google_drive", "ensure_from_url"]

logger = logging.getLogger(__name__)


class DownloadError(RuntimeError):
    """Raised when a file cannot be downloaded, or is not the expected one; the message tells how to get it by hand."""


def ensure_from_url(path: Path, url: str, sha256: str) -> Path:
    """Make sure that a file from the web is there, with the given checksum, and return its path.

    :raises DownloadError: if the file cannot be downloaded, or the download is damaged
    """
    return _ensure(path, sha256, lambda temporary: pystow_download(url, temporary), origin=url)


def ensure_from_google_drive(path: Path, folder_id: str, sha256: str) -> Path:
    """Make sure that a file is there as by :func:`ensure_from_url`, which has the same name in a public Drive folder.

    :raises DownloadError: if the file cannot be downloaded, or the download is damaged
    """

    def fetch(temporary: Path) -> None:
        files = gdown.download_folder(id=folder_id, output=str(temporary.parent), skip_download=True, quiet=True) or []
        identifiers = [file.id for file in files if not isinstance(file, str) and Path(file.path).name == path.name]
        if not identifiers:
            raise FileNotFoundError(f"the folder has no file {path.name}")
        gdown.download(id=identifiers[0], output=str(temporary), quiet=not logger.isEnabledFor(logging.WARNING))

    origin = f"the Google Drive folder https://drive.google.com/drive/folders/{folder_id}"
    return _ensure(path, sha256, fetch, origin)


def _ensure(path: Path, sha256: str, fetch: Callable[[Path], object], origin: str) -> Path:
    """Return the path of a file with the given checksum, fetching it if necessary.

    The file is fetched to a temporary place beside its final one, checked there, and moved. A good file is never
    touched, a damaged one is replaced only by a good one, and nothing half-written remains.
    """
    if path.is_file():
        if digest_file(path) == sha256:
            return path
        logger.warning("%s does not have the expected checksum; downloading it again.", path)
    path.parent.mkdir(parents=True, exist_ok=True)
    by_hand = (
        f"If you have the benchmark's files, pass directory=... to the dataset (in dataset_kwargs of the pipeline), or "
        f"set $PYKEEN_ADAMF_DATA. Otherwise, download {path.name} from {origin} by hand, and put it at {path}."
    )
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".download-") as directory:
        temporary = Path(directory) / path.name
        try:
            fetch(temporary)
            actual = digest_file(temporary)
        except Exception as error:
            raise DownloadError(f"Could not download {path.name}: {error}. {by_hand}") from error
        if actual != sha256:
            raise DownloadError(
                f"The download of {path.name} is damaged, truncated, or not the published file: it has "
                f"{temporary.stat().st_size:,} bytes with SHA-256 {actual}, but {sha256} is expected. {by_hand}"
            )
        temporary.replace(path)
    return path
