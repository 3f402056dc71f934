"""The numbers of the reference implementation, reproduced through the public classes."""

from collections.abc import Iterator
from pathlib import Path

import numpy
import pytest
import torch
from pykeen.losses import NSSALoss

from pykeen_adamf.features import ModalityFeatures
from pykeen_adamf.models import AdaMFRotatE
from pykeen_adamf.training import MATTrainingLoop
from pykeen_adamf.triples import MultimodalTriplesFactory

GOLDEN = Path(__file__).parents[1] / "golden" / "adamf_mat_reference.npz"
NUM_ENTITIES, NUM_RELATIONS, DIM, NUM_STEPS = 30, 5, 8, 4

#: The reference stores all real parts first, and then all imaginary parts; PyKEEN interleaves them.
INTERLEAVE = torch.arange(2 * DIM).view(2, DIM).t().reshape(-1)
NOISE_AND_INTERLEAVE = torch.cat([torch.arange(64), 64 + INTERLEAVE])


@pytest.fixture(scope="module")
def golden() -> dict[str, torch.Tensor]:
    with numpy.load(GOLDEN) as file:
        return {key: torch.as_tensor(file[key]) for key in file.files}


class Reference:
    """AdaMF-MAT with the parameters of the reference, and access to parameters by the reference's names."""

    def __init__(self, golden: dict[str, torch.Tensor]) -> None:
        triples = torch.cat([golden[f"step{i}/positives"] for i in range(NUM_STEPS)])
        labels = [str(i) for i in range(NUM_ENTITIES)]
        self.factory = MultimodalTriplesFactory(
            mapped_triples=triples,
            entity_to_id={label: i for i, label in enumerate(labels)},
            relation_to_id={str(i): i for i in range(NUM_RELATIONS)},
            features={
                name: ModalityFeatures.from_matrix(golden[f"init/{name}_features"], labels)
                for name in ("visual", "textual")
            },
        )
        margin = golden["config/margin"].item()
        self.model = AdaMFRotatE(
            triples_factory=self.factory,
            embedding_dim=DIM,
            loss=NSSALoss(margin=margin, adversarial_temperature=golden["config/adversarial_temperature"].item()),
            random_seed=0,
        )
        self.loop = MATTrainingLoop(
            model=self.model,
            triples_factory=self.factory,
            optimizer="adam",
            optimizer_kwargs=dict(lr=golden["config/lr"].item()),
            generator_optimizer="adam",
            generator_optimizer_kwargs=dict(lr=golden["config/generator_lr"].item()),
            adversarial_weight=golden["config/adversarial_weight"].item(),
        )
        with torch.no_grad():
            for name, (parameter, order) in self.parameters().items():
                parameter.copy_(order(golden[f"init/{name}"]))

    def parameters(self):
        """Return each parameter with the function that brings the reference's into our order, by name."""

        def rows(x):
            return x[INTERLEAVE]

        def columns(x):
            return x[..., INTERLEAVE]

        def same(x):
            return x

        bases = self.model.fused.bases
        result = {
            "structural": (bases["structural"]._embeddings.weight, columns),
            "relation_phase_raw": (self.model.relation_representations[0].raw, same),
            "attention_vector": (self.model.fused.fusion.attention, columns),
        }
        for name in ("visual", "textual"):
            generator = self.loop.synthesizer.generators[name]
            result |= {
                f"{name}_features": (bases[name].table, same),
                f"{name}_proj_weight": (bases[name].projection.weight, rows),
                f"{name}_proj_bias": (bases[name].projection.bias, rows),
                f"gen_{name}_hidden_weight": (generator.hidden.weight, lambda x: x[:, NOISE_AND_INTERLEAVE]),
                f"gen_{name}_hidden_bias": (generator.hidden.bias, same),
                f"gen_{name}_out_weight": (generator.output.weight, rows),
                f"gen_{name}_out_bias": (generator.output.bias, rows),
            }
        return result

    def replay(self, noise: torch.Tensor) -> None:
        """Let the next noise be the given one."""
        recorded: Iterator[torch.Tensor] = iter(noise)
        self.loop.synthesizer.draw_noise = lambda *shape: next(recorded).view(shape)


@pytest.fixture
def reference(golden) -> Reference:
    return Reference(golden)


def check_close(actual: torch.Tensor, expected: torch.Tensor, tolerance: float = 1e-5) -> None:
    """Compare relative to the largest value: single values may be arbitrarily close to zero."""
    expected = expected.to(actual.dtype)
    torch.testing.assert_close(actual, expected, rtol=tolerance, atol=tolerance * expected.abs().max().item())


def test_phase_scale(golden, reference):
    """The default initialization range is the reference's."""
    assert reference.model.relation_representations[0].phase_scale == pytest.approx(golden["config/phase_scale"].item())


def test_joint_embeddings(golden, reference):
    check_close(
        torch.view_as_real(reference.model.fused()).flatten(start_dim=1), golden["forward/joint"][:, INTERLEAVE]
    )


def test_modality_weights(golden, reference):
    assert reference.model.modalities == ("structural", "visual", "textual")
    check_close(reference.model.modality_weights(), golden["forward/modality_weights"])


def test_all_scores(golden, reference):
    """Score every triple in every way that PyKEEN can score."""
    expected = golden["forward/scores_margin_minus_distance"] - golden["config/margin"]
    h, r, t = torch.meshgrid(*(torch.arange(n) for n in expected.shape), indexing="ij")
    hrt = torch.stack([h, r, t], dim=-1).view(-1, 3)
    model = reference.model
    check_close(model.score_hrt(hrt).view(expected.shape), expected)
    check_close(model.score_t(hrt.view(*expected.shape, 3)[:, :, 0, :2].reshape(-1, 2)).view(expected.shape), expected)
    rt = hrt.view(*expected.shape, 3)[0, :, :, 1:].reshape(-1, 2)
    check_close(model.score_h(rt).view(*expected.shape[1:], -1).permute(2, 0, 1), expected)
    ht = hrt.view(*expected.shape, 3)[:, 0][..., [0, 2]].reshape(-1, 2)
    check_close(model.score_r(ht).view(NUM_ENTITIES, NUM_ENTITIES, NUM_RELATIONS).permute(0, 2, 1), expected)


def test_training(golden, reference):
    """Four steps of both: all losses, all scores, all gradients of the first step, all final parameters."""
    loop = reference.loop
    for step in range(NUM_STEPS):

        def expect(name: str, actual: torch.Tensor, tolerance: float = 1e-5, step: int = step) -> None:
            check_close(actual, golden[f"step{step}/{name}"], tolerance)

        tolerance = 1e-5 if step == 0 else 1e-4
        noise = golden[f"step{step}/noise"]
        positives = golden[f"step{step}/positives"]
        batch = dict(positives=positives, negatives=golden[f"step{step}/negatives"])

        reference.replay(noise)
        positive = loop.model.score_hrt(positives).squeeze(dim=-1)
        synthetic = loop.score_synthetic(positives, loop.draw_synthetic(positives))
        expect("positive_scores", positive + loop.margin, tolerance)
        expect(
            "fake_scores", torch.stack([x.squeeze(dim=-1) for x in synthetic.values()], dim=-1) + loop.margin, tolerance
        )

        reference.replay(noise)
        loop.meter.reset()
        loop.optimizer.zero_grad()
        loop._forward_pass(batch, 0, len(positives), len(positives), label_smoothing=0.0, slice_size=None)
        if step == 0:
            for name, (parameter, order) in reference.parameters().items():
                if not name.startswith("gen_"):
                    check_close(parameter.grad, order(golden[f"step0/grad/{name}"]))
            assert all(parameter.grad is None for parameter in loop.synthesizer.parameters())
        loop.optimizer.step()
        before = {name: parameter.clone() for name, parameter in reference.model.named_parameters()}
        loop.step_generators(batch, only_size_probing=False)
        if step == 0:
            for name, (parameter, order) in reference.parameters().items():
                if name.startswith("gen_"):
                    check_close(parameter.grad, order(golden[f"step0/grad/{name}"]))
        for name, parameter in reference.model.named_parameters():
            assert torch.equal(parameter, before[name]), f"the generators' step has changed {name}"

        losses = loop.meter.means()
        for ours, theirs in (
            ("kgc_loss", "kgc_loss"),
            ("adversarial_loss", "adversarial_loss_unweighted"),
            ("discriminator_loss", "d_loss"),
            ("generator_loss", "g_loss"),
        ):
            assert losses[ours] == pytest.approx(golden[f"step{step}/{theirs}"].item(), rel=tolerance)

    for name, (parameter, order) in reference.parameters().items():
        check_close(parameter, order(golden[f"final/{name}"]), 1e-4)
