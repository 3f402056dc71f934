"""The packages that EmojiKG is made of: fetched by npm, checked, and read."""

import base64
import dataclasses
import hashlib
import json
import subprocess
import tarfile
from pathlib import Path
from typing import Any

__all__ = ["PACKAGES", "Package", "Sources"]


@dataclasses.dataclass(frozen=True)
class Package:
    """A package of the npm registry."""

    name: str
    version: str

    #: the SHA-512 of the archive, as the registry states it
    integrity: str

    #: the SPDX identifier of its license
    license: str

    @property
    def archive(self) -> str:
        """Return the name of the archive that ``npm pack`` writes."""
        return f"{self.name}-{self.version}.tgz"

    def fetch(self, directory: Path) -> Path:
        """Return the archive in a directory, after having it fetched by npm if it is not there.

        :param directory: The directory of the archives.
        :returns: The path of the archive, whose checksum is right.
        :raises ValueError: if its checksum is another
        """
        path = directory / self.archive
        if not path.is_file():
            directory.mkdir(parents=True, exist_ok=True)
            command = ["npm", "pack", "--silent", f"{self.name}@{self.version}"]
            subprocess.run(command, cwd=directory, check=True, stdout=subprocess.DEVNULL)  # noqa: S603
        digest = base64.b64encode(hashlib.sha512(path.read_bytes()).digest()).decode()
        if digest != self.integrity:
            raise ValueError(f"{path} has the SHA-512 {digest} instead of {self.integrity}. Delete it, and run again.")
        return path


EMOJI = Package(
    name="emoji-datasource-google",
    version="16.0.0",
    integrity="ZRexfzs7MVoLnmzZmNsO4TKhnAJp5D++Vm6PpUpH/jEQQlemp3l88CjZ+DoZ2faM9R4QxZkOPJCoT8DlPhfQ3A==",
    license="MIT (data), Apache-2.0 (pictures)",
)
ANNOTATIONS = Package(
    name="cldr-annotations-full",
    version="48.2.0",
    integrity="DV7A+rEcgUSNTRsVGNGqBZRmAkGfwhGHO5Q1dRwzBoBnVrHWp804JP7/QJdEc66iHmx3+zLWVIMCFLm0lW7PUQ==",
    license="Unicode-3.0",
)
DERIVED = Package(
    name="cldr-annotations-derived-full",
    version="48.2.0",
    integrity="log62km+AOzI7n/NEuNNFV0mg9DWnt67EYCh1RwxZq9dyRuyteB586LT83Ke8TchEfnwI9cIk2P31zO4nTvZmw==",
    license="Unicode-3.0",
)
PACKAGES = (EMOJI, ANNOTATIONS, DERIVED)


class Sources:
    """The content of the packages."""

    def __init__(self, directory: Path) -> None:
        """Fetch and open the packages.

        :param directory: Where the archives are, or shall be.
        """
        self._archives = {
            package.name: tarfile.open(package.fetch(directory))  # noqa: SIM115 - closed with the process
            for package in PACKAGES
        }

    def _read(self, package: Package, path: str) -> bytes:
        member = self._archives[package.name].extractfile(f"package/{path}")
        assert member is not None
        return member.read()

    def emoji(self) -> list[dict[str, Any]]:
        """Return the emoji: code points, category, subcategory, sort order, name of the picture."""
        return json.loads(self._read(EMOJI, "emoji.json"))  # type: ignore[no-any-return]

    def annotations(self) -> dict[str, dict[str, list[str]]]:
        """Return the English short name (``tts``) and keywords (``default``) of each sequence of characters."""
        derived = json.loads(self._read(DERIVED, "annotationsDerived/en/annotations.json"))
        basic = json.loads(self._read(ANNOTATIONS, "annotations/en/annotations.json"))
        return {**derived["annotationsDerived"]["annotations"], **basic["annotations"]["annotations"]}

    def pictures(self) -> dict[str, bytes]:
        """Return the 64-pixel pictures in PNG format, by the name of the file."""
        # in the order of the archive: it is compressed, and cannot be read at random
        pictures = {}
        archive = self._archives[EMOJI.name]
        for member in archive:
            directory, _, name = member.name.rpartition("/")
            if directory == "package/img/google/64":
                file = archive.extractfile(member)
                assert file is not None
                pictures[name] = file.read()
        return pictures

    def licenses(self) -> dict[str, bytes]:
        """Return the text of the license in each package, by the package's name."""
        return {package.name: self._read(package, "LICENSE") for package in PACKAGES}
