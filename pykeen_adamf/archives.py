"""ZIP archives, of which nothing is used that is damaged, hidden, or larger than it says."""

import mmap
import os
import struct
import zlib
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final
from zipfile import ZIP_DEFLATED, ZIP_STORED, BadZipFile, ZipFile, ZipInfo

from .limits import FileError, SizeLimit

__all__ = ["check_stored", "is_archive", "list_members"]

#: What an archive begins with, if there is anything in it.
MAGIC: Final = b"PK\x03\x04"

#: What it ends with: signature, numbers of disks and members, size and offset of the directory, length of a comment.
END: Final = struct.Struct("<4s4H2LH")
END_MAGIC: Final = b"PK\x05\x06"

#: What is before that where 32 bits may be too few: signature, ..., number of members, size and offset of the
#: directory; and where it is: signature, number of the disk, offset, number of disks.
END_64: Final = struct.Struct("<4s28x3Q")
END_64_MAGIC: Final = b"PK\x06\x06"
LOCATOR: Final = struct.Struct("<4sLQL")
LOCATOR_MAGIC: Final = b"PK\x06\x07"

#: What is in the place of numbers that 16 and 32 bits are too few for.
ELSEWHERE: Final = (2**16 - 1, 2**32 - 1)

#: What comes before each member: signature, version, flags, method, time, checksum, sizes, and lengths of the name and
#: of what else there is.
LOCAL: Final = struct.Struct("<4s5H3L2H")

#: The flags of encrypted members, and of names in UTF-8.
ENCRYPTED: Final = 1
IS_UTF8: Final = 0x800

#: The attribute of folders. PyTorch reads nothing of them, and takes what has been in memory before for numbers.
IS_FOLDER: Final = 0x10


def is_archive(path: Path) -> bool:
    """Return whether a file begins as archives do."""
    with path.open("rb") as file:
        return file.read(len(MAGIC)) == MAGIC


def list_members(path: Path, limit: SizeLimit) -> Mapping[str, ZipInfo]:
    """Return the members of an archive by name, in the order of the file.

    Each byte of the file belongs to one of them at most, and there is nothing before or behind the archive: hence, all
    programs see the same in it.

    :raises FileError: if the directory is too large, members overlap or have one name, or are stored in a way that
        neither NumPy nor PyTorch would write
    :raises BadZipFile: if it is damaged
    """
    num_members, num_bytes = _find_directory(path)
    limit.check_header(num_bytes)
    with ZipFile(path) as archive:
        members = sorted(archive.infolist(), key=lambda member: member.header_offset)
        end = archive.start_dir
    # a comment in the directory may have others in it
    if len(members) != num_members:
        raise BadZipFile(f"{num_members:,} members, but {len(members):,} are found")
    stop, starts = 0, _find_content(path, members)
    for member, start in zip(members, starts, strict=True):
        if member.compress_type not in {ZIP_STORED, ZIP_DEFLATED} or member.flag_bits & ENCRYPTED:
            raise FileError(f"{path} has {member.filename!r} in a format that is not read. Save the file again.")
        # a name may have NUL in it, or be given twice
        if member.filename != member.orig_filename.replace(os.sep, "/"):
            raise FileError(f"{path} has {member.filename!r} with another name. Save the file again.")
        if member.external_attr & IS_FOLDER or member.filename.endswith("/"):
            raise FileError(f"{path} has {member.filename!r} as a folder, or is damaged. Save the file again.")
        if member.header_offset < stop or (stop == 0 and member.header_offset):
            raise BadZipFile("overlapping members")
        stop = start + member.compress_size
    if stop > end:
        raise BadZipFile("overlapping members")
    result = {member.filename: member for member in members}
    # PyTorch does not look at the case
    for name, count in Counter(member.filename.lower() for member in members).items():
        if count > 1:
            raise FileError(f"{path} has {count} members called {name!r}. Save the file again, with one of them.")
    return result


def _find_directory(path: Path) -> tuple[int, int]:
    """Return the number of an archive's members, and the size of its directory, in bytes, before it is read.

    Some programs look where they are told to, and others right before: both have to be the same.
    """
    with path.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(max(0, size - END.size - LOCATOR.size - END_64.size))
        content = file.read()
    if len(content) < END.size or not content[-END.size :].startswith(END_MAGIC):
        raise BadZipFile("it is truncated, or there is something behind it")
    # number of members, size and offset of the directory, which ends at the stop
    stop, found = size - END.size, END.unpack(content[-END.size :])[4:7]
    if content[: -END.size][-LOCATOR.size :].startswith(LOCATOR_MAGIC):
        stop -= LOCATOR.size + END_64.size
        locator = LOCATOR.unpack(content[-END.size - LOCATOR.size : -END.size])
        magic, *there = END_64.unpack_from(content)
        if magic != END_64_MAGIC or locator[1:] != (0, stop, 1):
            raise BadZipFile("its directory is not where it should be")
        if any(x != y and x not in ELSEWHERE for x, y in zip(found, there, strict=True)):
            raise BadZipFile("it has two directories")
        found = tuple(there)
    if found[1] + found[2] != stop:
        raise BadZipFile("its directory is not where it should be")
    return found[0], found[1]


def _find_content(path: Path, members: Sequence[ZipInfo]) -> list[int]:
    """Return where the content of each member begins: behind a header of its own, of any length, with the same name."""
    starts = []
    with path.open("rb") as file:
        for member in members:
            # in a file that is cut, it may be before the beginning
            file.seek(max(0, member.header_offset))
            header = file.read(LOCAL.size)
            if member.header_offset < 0 or len(header) < LOCAL.size or not header.startswith(MAGIC):
                raise BadZipFile(f"{member.filename!r} is not where it should be")
            *_, len_name, len_extra = LOCAL.unpack(header)
            # as in the directory, which no checksum protects: what is called otherwise would be taken for missing
            encoding = "utf-8" if member.flag_bits & IS_UTF8 else "cp437"
            if file.read(len_name) != member.orig_filename.encode(encoding):
                raise BadZipFile(f"{member.filename!r} has another name in the directory")
            starts.append(member.header_offset + LOCAL.size + len_name + len_extra)
    return starts


def check_stored(path: Path, members: Sequence[ZipInfo]) -> None:
    """Check that members are stored as they are, and undamaged.

    PyTorch compares no checksums. Bytes are looked at where the operating system keeps them, without a copy.

    :param path: The path of the archive.
    :param members: Its members, cf. :func:`list_members`.
    :raises FileError: if one is compressed, or its checksum is that of something else
    """
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        view = memoryview(content)
        try:
            for member, start in zip(members, _find_content(path, members), strict=True):
                name = member.filename
                if member.compress_type != ZIP_STORED or member.compress_size != member.file_size:
                    raise FileError(f"{path} is compressed, at {name!r}. Save it again with torch.save.")
                stop = start + member.file_size
                if stop > len(view) or zlib.crc32(view[start:stop]) != member.CRC:
                    raise FileError(
                        f"{path} is damaged: the checksum of {name!r} is that of something else. Get the file again."
                    )
        finally:
            view.release()
