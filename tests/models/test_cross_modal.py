"""IKRL, TBKGC and VBKGC: the numbers of the reference implementation, and an independent formula."""

from pathlib import Path

import numpy
import pytest
import torch
from torch.nn import functional as F

from pykeen_adamf.features import ModalityFeatures
from pykeen_adamf.models import IKRL, TBKGC, VBKGC
from pykeen_adamf.training import MATTrainingLoop
from pykeen_adamf.triples import MultimodalTriplesFactory

from ..cases import make_factory

GOLDEN = Path(__file__).parents[1] / "golden"
NUM_ENTITIES, NUM_RELATIONS, DIM = 25, 4, 8
MODELS = {"ikrl": IKRL, "tbkgc": TBKGC}
DIMS = ("visual", "textual")


class Reference:
    """A model with the parameters of the reference, and access to parameters by the reference's names."""

    def __init__(self, name: str) -> None:
        with numpy.load(GOLDEN / f"{name}_reference.npz") as file:
            self.golden = {key: torch.as_tensor(file[key]) for key in file.files}
        labels = [str(i) for i in range(NUM_ENTITIES)]
        self.names = [m for m in ("visual", "textual") if f"init/{m}_features" in self.golden]
        self.triples = self.golden["triples"]
        factory = MultimodalTriplesFactory(
            mapped_triples=self.triples,
            entity_to_id={label: i for i, label in enumerate(labels)},
            relation_to_id={str(i): i for i in range(NUM_RELATIONS)},
            features={m: ModalityFeatures.from_matrix(self.golden[f"init/{m}_features"], labels) for m in self.names},
        )
        self.model = MODELS[name](triples_factory=factory, embedding_dim=DIM, random_seed=0)
        with torch.no_grad():
            for key, parameter in self.parameters().items():
                parameter.copy_(self.golden[f"init/{key}"])

    def parameters(self) -> dict[str, torch.nn.Parameter]:
        bases = self.model.fused.bases
        result = {
            "structural": bases["structural"]._embeddings.weight,
            "relation": self.model.relation_representations[0]._embeddings.weight,
        }
        for m in self.names:
            result |= {
                f"{m}_features": bases[m].table,
                f"{m}_proj_weight": bases[m].projection.weight,
                f"{m}_proj_bias": bases[m].projection.bias,
            }
        return result

    def synthetic(self, side: str) -> dict[str, torch.Tensor]:
        """Return the reference's synthetic embeddings: one for all modalities together."""
        parts = self.golden[f"synthetic_{side}"].unsqueeze(dim=1).chunk(len(self.names), dim=-1)
        return dict(zip(self.names, parts, strict=True))


@pytest.fixture(params=list(MODELS))
def reference(request) -> Reference:
    return Reference(request.param)


def check_close(actual: torch.Tensor, expected: torch.Tensor, tolerance: float = 1e-5) -> None:
    """Compare relative to the largest value: single values may be arbitrarily close to zero."""
    torch.testing.assert_close(actual, expected, rtol=tolerance, atol=tolerance * expected.abs().max().item())


def test_scores_and_gradients(reference):
    golden, margin = reference.golden, reference.golden["config/margin"]
    scores = reference.model.score_hrt(reference.triples).squeeze(dim=-1)
    check_close(scores + margin.float(), golden["scores_margin_minus_distance"])
    scores.sum().backward()
    for name, parameter in reference.parameters().items():
        check_close(parameter.grad, golden[f"grad/{name}"])


def test_synthetic_scores(reference):
    scores = reference.model.score_synthetic(
        reference.triples, reference.synthetic("head"), reference.synthetic("tail")
    )
    actual = torch.cat([scores[kind] for kind in ("head", "tail", "both")], dim=-1)
    check_close(actual + reference.golden["config/margin"].float(), reference.golden["fake_scores"])


@pytest.mark.parametrize("cls", [IKRL, TBKGC, VBKGC])
def test_formula(cls):
    """All triples in double precision, with two modalities that some entities miss."""
    model = cls(
        triples_factory=make_factory(), embedding_dim=6, random_seed=0, modalities=["visual", "textual"]
    ).double()
    base = model.fused.bases
    s = base["structural"]._embeddings.weight
    m = torch.cat([base[x].table @ base[x].projection.weight.T + base[x].projection.bias for x in DIMS], dim=-1)
    r = F.normalize(model.relation_representations[0]._embeddings.weight, dim=-1)
    pairs = [(s, s), (m, m), (m, s), (s, m)] + ([(s + m, s + m)] if cls is TBKGC else [])
    expected = -sum(
        (F.normalize(a, dim=-1)[:, None, None] + r[None, :, None] - F.normalize(b, dim=-1)[None, None])
        .abs()
        .sum(dim=-1)
        for a, b in pairs
    )
    h, relation, t = torch.meshgrid(*(torch.arange(n) for n in expected.shape), indexing="ij")
    hrt = torch.stack([h, relation, t], dim=-1)
    torch.testing.assert_close(model.score_hrt(hrt.view(-1, 3)).view(expected.shape), expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("cls", [IKRL, TBKGC, VBKGC])
def test_adversarial_training(cls):
    """MAT trains them unchanged."""
    factory = make_factory()
    model = cls(triples_factory=factory, embedding_dim=6, random_seed=0)
    loop = MATTrainingLoop(model=model, triples_factory=factory, optimizer="adam", adversarial_weight=0.5)
    before = [x.clone() for x in (*model.parameters(), *loop.synthesizer.parameters())]
    losses = loop.train(factory, num_epochs=5, batch_size=16, use_tqdm=False)
    assert losses[-1] < losses[0]
    after = (*model.parameters(), *loop.synthesizer.parameters())
    assert all(not torch.equal(a, b) for a, b in zip(before, after, strict=True))
    assert set(loop.synthesizer.generators) == ({"visual"} if cls is IKRL else set(DIMS))


@pytest.mark.parametrize(
    ("cls", "kwargs", "message"),
    [
        (TBKGC, dict(embedding_dim=1), "2 modalities cannot share 1 dimensions"),
        (TBKGC, dict(missing="drop"), "missing must be one of"),
        (IKRL, dict(modalities=["audio"]), "modalities must be some of"),
    ],
)
def test_bad_options(cls, kwargs, message):
    with pytest.raises(ValueError, match=message):
        cls(triples_factory=make_factory(), **{"embedding_dim": 4, **kwargs})


def test_without_visual_features():
    factory = make_factory(dims={"textual": 3})
    with pytest.raises(ValueError, match=r"IKRL uses visual features, but there are only \['textual'\]"):
        IKRL(triples_factory=factory, embedding_dim=4)
    assert IKRL(triples_factory=factory, embedding_dim=4, modalities=["textual"]).modalities[-1] == "textual"
