"""Where the published benchmark files are, and what they must look like."""

import dataclasses
from collections.abc import Mapping
from typing import Final

from ..constants import TEXTUAL, VISUAL

__all__ = ["BENCHMARKS", "FEATURES_FOLDER_ID", "TRIPLES_URL", "PublishedBenchmark", "PublishedFeatures"]

#: The triples, in the authors' repository, at a fixed commit.
TRIPLES_URL: Final = (
    "https://raw.githubusercontent.com/zjukg/AdaMF-MAT/50930e9b28aed57133bedfc281391185ac9b68a4/benchmarks"
)

#: The features, in the authors' Google Drive, linked from the README at the same commit.
FEATURES_FOLDER_ID: Final = "1UJSfnb8DEx2s-k8zaQx1fWUw5f45GBpI"


@dataclasses.dataclass(frozen=True)
class PublishedFeatures:
    """A published feature file."""

    sha256: str
    dim: int


@dataclasses.dataclass(frozen=True)
class PublishedBenchmark:
    """The published files of a benchmark."""

    #: the checksums of the triple files by file name
    triples: Mapping[str, str]
    #: the features by modality
    features: Mapping[str, PublishedFeatures]
    #: what a user must know about the published validation split, if anything
    validation_warning: str | None = None


BENCHMARKS: Final[Mapping[str, PublishedBenchmark]] = {
    "DB15K": PublishedBenchmark(
        triples={
            "entity2id.txt": "8f8d070f1bb24d07ed3050e4e4e780cb7f2245d0b14db3346e8db4fa55981728",
            "relation2id.txt": "25e5a975ee079dbd5b8d22ffe23575a9e3135d263e0a3763224777bf526c1a74",
            "train2id.txt": "d41f9b9ab5c0e6eed393e0f93febb4258dc02e5e4a4e2a99c49410d167522804",
            "valid2id.txt": "dc7ed39aa14e35a2f7ac09a0ff046067ee0e0d7953f8a204f04e7c09776095b1",
            "test2id.txt": "15f28535d04f3711b739a49d824f2346167384283cde57123376392d418ad6de",
        },
        features={
            VISUAL: PublishedFeatures("d9cd551878b053195a42620d6c9c9e6b16ade258aee862fadd5ab07fb6e4ac36", dim=4096),
            TEXTUAL: PublishedFeatures("912b08f8548e517b5f469330e15b1f6dde0ef345864aa0f412eb39f281459ce1", dim=768),
        },
        validation_warning=(
            "DB15K's published validation split leaks: of its 9,904 lines only 7,481 are distinct triples, and 6,584 "
            "of those are training triples, 824 test triples. Early stopping or hyper-parameter search on it rewards "
            "memorizing the training triples. Pass dataset_kwargs=dict(validation='holdout') for a clean split carved "
            "out of the training triples."
        ),
    ),
    "MKG-W": PublishedBenchmark(
        triples={
            "entity2id.txt": "d94b546efcb535d8253821626dd32f3ee876b2f263b727a4a446bc74697785df",
            "relation2id.txt": "204203e03a92d4f973ee815449695bcfaae1b6917fcb08b65f3b0fb071a47f61",
            "train2id.txt": "a9f316506a20a7b5bef7de3ceaaa1e82de554b8e92e6aa26e7cb54bcd8ada53d",
            "valid2id.txt": "34dd556893b8e4832600298864dbd18012529a1f172793c21e45ad7bdee9d189",
            "test2id.txt": "0e1294b1f95c8ef80ad422aeefafea321d16c1d127570e6bb566882b2e053989",
        },
        features={
            VISUAL: PublishedFeatures("9cf9346fb7bcd1d7027a35a8e8bc637ca42f38b72e48f11495ef8c9c9d880afc", dim=383),
            TEXTUAL: PublishedFeatures("13b765b5bddceaefeebe1ce5b2e99e4b6e0cffe2539a3d2490adcfefde012a2e", dim=384),
        },
    ),
    "MKG-Y": PublishedBenchmark(
        triples={
            "entity2id.txt": "416f6f77c13d0cf0c5cae9625a62b9f7d26320c27ae408f5ce4e7eae3206b8d9",
            "relation2id.txt": "78d468edc02688f742c9b5a1030a071789ab24784dd2e48897643fe108ff4e4d",
            "train2id.txt": "71310c2c274e5ba2ce550433ef5c8496920bd03f50fd6057e64fc9c34e1e1aac",
            "valid2id.txt": "6c82db2d2b809aabf72f94bc19be3080b53ffba1caec12b81510354a7fe3470e",
            "test2id.txt": "8602cbbe7e3aef2c857df66eec5f7e4a2d6b02b19f58feff085688fb28980158",
        },
        features={
            VISUAL: PublishedFeatures("d461c913ef25c744fc473e1f6473e9e3940116d16ae2290ab5972c2321bae4a7", dim=383),
            TEXTUAL: PublishedFeatures("a736a6c2506de6dab31ed83552c401f74543e14d2d1ddc650ad27702a69aa37e", dim=384),
        },
    ),
}
