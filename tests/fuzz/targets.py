"""What is fuzzed."""

from pykeen_adamf.constants import TEXTUAL, VISUAL

from ..features.cases import BY_LABEL, BY_ROW
from ..training.cases import LOOPS
from .data_targets import FeatureTarget, OpenKETarget, SourceTarget, TriplesTarget
from .model_targets import BundleTarget, CheckpointTarget, ConfigurationTarget, RunTarget
from .target import Target

__all__ = ["TARGETS"]

#: All kinds of files, by name.
TARGETS: dict[str, Target] = {
    target.name: target
    for target in [
        *map(FeatureTarget, [*BY_ROW, *BY_LABEL]),
        *map(TriplesTarget, [".tsv", ".csv", ".tsv.gz", ".parquet", ".nt", ".nt.gz"]),
        *map(OpenKETarget, [True, False]),
        SourceTarget(TEXTUAL, ".tsv"),
        SourceTarget(TEXTUAL, "folder"),
        *(
            SourceTarget(VISUAL, suffix)
            for suffix in (".png", ".jpg", ".gif", ".bmp", ".webp", ".tiff", ".ppm", ".zip")
        ),
        *map(BundleTarget, ["copy", "reference"]),
        *map(CheckpointTarget, LOOPS),
        *map(ConfigurationTarget, [".json", ".yaml"]),
        RunTarget("run"),
    ]
}
