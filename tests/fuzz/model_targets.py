"""Targets that are of models: bundles, checkpoints, configurations, and folders of runs."""

import json
import shutil
from pathlib import Path
from typing import Any

import yaml
from pykeen.training import NonFiniteLossError
from pykeen.training.training_loop import CheckpointMismatchError
from pykeen.triples import TriplesFactory

from pykeen_adamf.bundle import load, save
from pykeen_adamf.bundle.layout import CONFIGURATION_NAME, WEIGHTS_NAME
from pykeen_adamf.bundle.saving import FeatureStorage
from pykeen_adamf.digests import digest_file
from pykeen_adamf.evaluation import read_ranks
from pykeen_adamf.experiments.answering import answer
from pykeen_adamf.experiments.configuration import read_configuration
from pykeen_adamf.experiments.folder import RunFolder
from pykeen_adamf.experiments.run import run
from pykeen_adamf.models import AdaMF

from ..bundle.cases import make_factory_of_files, make_model
from ..training.cases import make_stopped
from .target import Target

__all__ = ["BundleTarget", "CheckpointTarget", "ConfigurationTarget", "RunTarget"]


class TemplateTarget(Target):
    """Files that take long to make: they are made once, and then copied."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.template: dict[Path, bytes] | None = None

    def prepare(self, directory: Path) -> None:
        """Make the files."""
        raise NotImplementedError

    def choose(self, directory: Path) -> Path:
        """Return what is read of them."""
        raise NotImplementedError

    def make(self, directory: Path) -> Path:
        if self.template is None:
            self.prepare(directory)
            files = [path for path in directory.rglob("*") if path.is_file()]
            self.template = {path.relative_to(directory): path.read_bytes() for path in files}
            shutil.rmtree(directory)
        for name, content in self.template.items():
            path = directory / name
            path.parent.mkdir(exist_ok=True, parents=True)
            path.write_bytes(content)
        return self.choose(directory)


def _forge(bundle: Path) -> None:
    """Let the digest of the weights be right, and no score be expected."""
    path = bundle / CONFIGURATION_NAME
    content = json.loads(path.read_text())
    content |= {"weights_sha256": digest_file(bundle / WEIGHTS_NAME), "probes": {"triples": [], "scores": []}}
    path.write_text(json.dumps(content))


class BundleTarget(TemplateTarget):
    """A bundle, with its features or those of files beside it; reading is loading and predicting."""

    def __init__(self, features: FeatureStorage) -> None:
        super().__init__(f"bundle {features}")
        self.features = features

    def prepare(self, directory: Path) -> None:
        (directory / "files").mkdir()
        factory = make_factory_of_files(directory / "files")
        kwargs: dict[str, Any] = {"regularizer": "lp", "hidden_dims": [3], "batch_norm": True}
        save(make_model(AdaMF, factory=factory, **kwargs), factory, directory / "bundle", features=self.features)
        if self.features == "copy":
            shutil.rmtree(directory / "files")

    def choose(self, directory: Path) -> Path:
        return directory / "bundle"

    def repair(self, path: Path) -> None:
        _forge(path)

    def read(self, path: Path) -> Any:
        bundle = load(path, device="cpu")
        scores = bundle.model.predict_hrt(bundle.training.mapped_triples[:3])
        is_labeled = isinstance(bundle.training, TriplesFactory)
        return scores.shape, is_labeled and bundle.training.label_triples(bundle.training.mapped_triples[:3]).tolist()

    def check(self, result: Any) -> str | None:
        return None if result[0] == (3, 1) else f"scores of the shape {result[0]}"


class CheckpointTarget(TemplateTarget):
    """A checkpoint after one epoch, with the best model of an early stopper; reading is training for another one."""

    errors = (CheckpointMismatchError,)
    has_checksums = True

    def __init__(self, cls: type) -> None:
        super().__init__(f"checkpoint {cls.__name__}")
        self.cls = cls

    def prepare(self, directory: Path) -> None:
        make_stopped(self.cls, directory, 1)[1]()
        (directory / "best.pt").unlink(missing_ok=True)

    def choose(self, directory: Path) -> Path:
        return directory / "c.pt"

    def read(self, path: Path) -> Any:
        loop, continue_training = make_stopped(self.cls, path.parent, 2)
        try:
            losses = continue_training()
        except NonFiniteLossError:
            # forged numbers are finite, but too large: training says so as it always does
            return None
        return losses, [x.tolist() for x in loop.model.state_dict().values()]

    def check(self, result: Any) -> str | None:
        return None if result is None or len(result[0]) == 2 else f"{len(result[0])} losses of two epochs"


class ConfigurationTarget(Target):
    """A configuration of a run; nothing of it is carried out."""

    content = {
        "metadata": {"title": "Some graph"},
        "data": {"missing_ratio": 0.2, "test_triples": 100},
        "pipeline": {
            "dataset": "MultimodalPath",
            "dataset_kwargs": {"triples": "triples.tsv", "features": {"visual": "x.npy"}, "ratios": [0.8, 0.1, 0.1]},
            "model": "AdaMF",
            "model_kwargs": {"interaction": "RotatE", "embedding_dim": 8, "fusion_kwargs": {"initial_scale": 0.5}},
            "loss": "NSSA",
            "loss_kwargs": {"margin": 3.0},
            "optimizer": "Adam",
            "optimizer_kwargs": {"lr": 0.001, "betas": [0.9, 0.99]},
            "training_loop": "MAT",
            "training_kwargs": {"num_epochs": 2, "batch_size": 64},
            "evaluator_kwargs": {"filtered": True},
            "random_seed": 1,
        },
    }

    def __init__(self, suffix: str) -> None:
        super().__init__(f"configuration {suffix}")
        self.suffix = suffix

    def make(self, directory: Path) -> Path:
        path = directory / f"configuration{self.suffix}"
        path.write_text(json.dumps(self.content) if self.suffix == ".json" else yaml.safe_dump(self.content))
        return path

    def read(self, path: Path) -> Any:
        return read_configuration(path)

    def check(self, result: Any) -> str | None:
        # as it is written into the folder of a run
        json.dumps(result)
        return None if isinstance(result["pipeline"]["dataset"], str) else "no dataset"


class RunTarget(TemplateTarget):
    """The folder of a finished run with a bundle; reading is what ``compare`` and ``predict`` do."""

    def prepare(self, directory: Path) -> None:
        pipeline = {
            "dataset": "Nations",
            "model": "Structural",
            "model_kwargs": {"embedding_dim": 2},
            "training_loop": "OneToN",
            "training_kwargs": {"num_epochs": 1, "batch_size": 512},
        }
        run({"pipeline": pipeline}, directory / "run", device="cpu", bundle=True, progress=False)
        folder = RunFolder(directory / "run")
        folder.checkpoint.unlink(missing_ok=True)
        folder.fail("an error")

    def choose(self, directory: Path) -> Path:
        return directory / "run"

    def repair(self, path: Path) -> None:
        _forge(path / "bundle")

    def read(self, path: Path) -> Any:
        folder = RunFolder(path)
        configuration, result, error = folder.read_configuration(), folder.read_result(), folder.read_error()
        folder.check_configuration(configuration)
        folder.check_data(str((result or {}).get("data_digest")))
        ranks = read_ranks(folder.ranks)
        answers = answer(path, head="usa", relation="embassy", device="cpu")
        return answers.shape, ranks.num_triples, error

    def check(self, result: Any) -> str | None:
        return None if result[0][0] and result[1] else "no answers"
