"""Changes to files that know the format, and repair what depends on it."""

import gzip
import io
import json
import random
import struct
import zipfile
from pathlib import Path

import numpy
import torch
import yaml
from safetensors.torch import load, save

from .mutations import BLIND, NUMBERS, TEXTS, Mutation, blind, flip
from .trees import change_part, write_json

__all__ = ["STRUCTURED", "mutate"]


def in_archive(content: bytes, rng: random.Random) -> bytes:
    """Change members, their names, number or compression; checksums fit afterwards."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = [[name, archive.read(name)] for name in archive.namelist()]
    chosen = rng.choice(members)
    what = rng.randrange(6)
    if what < 3:
        chosen[1] = blind(chosen[1], rng)
    elif what == 3:
        members.append([rng.choice(members)[0], blind(chosen[1], rng)])
    elif what == 4:
        chosen[0] = blind(chosen[0].encode(), rng).decode("utf-8", "replace")
    else:
        members.remove(chosen)
    target = io.BytesIO()
    method = rng.choice([zipfile.ZIP_STORED, zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2])
    with zipfile.ZipFile(target, "w", method) as archive:
        for name, data in members:
            archive.writestr(name, data)
    return target.getvalue()


def in_safetensors(content: bytes, rng: random.Random) -> bytes:
    """Change tensors, or the header; its length fits afterwards."""
    if rng.random() < 0.3:
        change_part(tree := load(content), rng)
        return save({name: x.contiguous() for name, x in tree.items()})
    size = struct.unpack("<Q", content[:8])[0]
    header, data = content[8 : 8 + size], content[8 + size :]
    if rng.random() < 0.5:
        entries = json.loads(header)
        entry = entries[rng.choice(sorted(entries))]
        key = rng.choice(sorted(entry))
        entry[key] = rng.choice(
            ["F64", "F8_E4M3", "BOOL", [rng.choice(NUMBERS)] * 2, rng.choice(TEXTS), json.dumps(["\ud83d"] * 7), None]
        )
        header = json.dumps(entries).encode()
    else:
        header = blind(header, rng)
    return struct.pack("<Q", len(header)) + header + data


def in_json(content: bytes, rng: random.Random) -> bytes:
    """Change what is there, rather than its text."""
    tree = json.loads(content)
    change_part(tree, rng)
    return write_json(tree, rng)


#: Few lines that stand for many: by references, and by what is merged into a dictionary.
DOUBLING = "".join(f"x{i}: &x{i} [{', '.join([f'*x{i - 1}'] * 4) if i else '1, 1'}]\n" for i in range(30))
MERGING = "".join(f"x{i}: &x{i} {{{f'<<: [*x{i - 1}, *x{i - 1}]' if i else 'a: 1'}}}\n" for i in range(30))


def in_yaml(content: bytes, rng: random.Random) -> bytes:
    """Change what is there, rather than its text, or add what takes long."""
    # what refers to itself, or stands for many, would not be changed in any time
    if b"*x" in content or rng.random() < 0.2:
        return content + rng.choice([DOUBLING, MERGING, "x: &x [*x]\n", "x: &x {<<: *x}\n", "? [1]\n: 2\n"]).encode()
    tree = yaml.safe_load(content)
    change_part(tree, rng)
    return yaml.safe_dump(tree).encode()


def in_torch(content: bytes, rng: random.Random) -> bytes:
    """Change tensors, or what is around them; or members of the archive."""
    if rng.random() < 0.5:
        return in_archive(content, rng)
    tree = [torch.load(io.BytesIO(content), weights_only=True)]
    change_part(tree, rng)
    target = io.BytesIO()
    torch.save(tree[0] if tree else tree, target)
    return target.getvalue()


#: Larger arrays are not written.
MAX_BYTES = 2**26


def in_arrays(content: bytes, rng: random.Random) -> bytes:
    """Change arrays, or members of the archive."""
    if rng.random() < 0.5:
        return in_archive(content, rng)
    with numpy.load(io.BytesIO(content)) as file:
        arrays = {name: file[name] for name in file.files}
    change_part(tree := {name: torch.from_numpy(x) for name, x in arrays.items() if x.dtype.kind in "fiub"}, rng)
    arrays |= {name: numpy.asarray(x) for name, x in tree.items()}
    if sum(x.nbytes for x in arrays.values()) > MAX_BYTES:
        # an expanded tensor; to compress it takes hours
        return in_archive(content, rng)
    target = io.BytesIO()
    numpy.savez_compressed(target, **arrays)
    return target.getvalue()


def in_gzip(content: bytes, rng: random.Random) -> bytes:
    return gzip.compress(blind(gzip.decompress(content), rng))


def in_hdf5(content: bytes, rng: random.Random) -> bytes:
    """Add something that leads elsewhere, or is larger than it is stored."""
    import h5py

    target = io.BytesIO(content)
    with h5py.File(target, "r+") as file:
        name = rng.choice(["x", "NA", "http:/a", "features2"])
        shape = (rng.choice([1, 7, 10**6, 10**11]), rng.choice([1, 3, 10**6]))
        what = rng.randrange(7)
        if name in file:
            del file[name]
        if what == 0:
            file[name] = h5py.ExternalLink(rng.choice(["canary.h5", "/dev/zero", "features.h5"]), "/canary")
        elif what == 1:
            file[name] = h5py.SoftLink(rng.choice(["/", "/x", "/features", "nowhere"]))
        elif what == 2:
            file.create_dataset(name, (1, 3), dtype="f4", external=[("canary.bin", 0, 12)])
        elif what == 3:
            layout = h5py.VirtualLayout((7, 3), "f4")
            layout[:] = h5py.VirtualSource("canary.h5", "canary", (7, 3))
            file.create_virtual_dataset(name, layout)
        elif what == 4:
            group = file.create_group(name)
            group["y"] = rng.choice([file, group])
        elif what == 5:
            file.create_dataset(name, shape, dtype=rng.choice(["f4", "f8", "i4", "S3"]))
        else:
            file.create_dataset(name, data=numpy.zeros((7, 3)), chunks=(7, 3), compression=rng.choice(["gzip", "lzf"]))
    return target.getvalue()


#: Those that know the format, by the suffix.
STRUCTURED: dict[str, Mutation] = {
    ".json": in_json,
    ".yaml": in_yaml,
    ".pt": in_torch,
    ".pth": in_torch,
    ".npz": in_arrays,
    ".safetensors": in_safetensors,
    ".h5": in_hdf5,
    ".hdf5": in_hdf5,
    ".gz": in_gzip,
}


def mutate(path: Path, rng: random.Random) -> str:
    """Change a file at its place, and return the name of the change."""
    content = path.read_bytes()
    structured = STRUCTURED.get(path.suffix)
    mutation = structured if structured is not None and rng.random() < 0.5 else rng.choice(BLIND)
    try:
        path.write_bytes(mutation(content, rng))
    except Exception:
        # not of that format, e.g., older files of PyTorch or what an earlier change has made of it
        mutation = flip
        path.write_bytes(flip(content, rng))
    return mutation.__name__
