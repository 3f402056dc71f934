"""Image models of timm, compared to calling it directly; needs an environment of its own, cf. tox -e timm."""

import pickle

import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from pykeen_adamf.encoders import EncodingError, TimmEncoder, UnusableInputError, encode
from pykeen_adamf.encoders.folders import read_folder
from pykeen_adamf.features import read_features

from .cases import make_folder, save_image, skip_without_timm


@pytest.fixture(autouse=True)
def _timm():
    skip_without_timm()


@torch.inference_mode()
def _directly(model, paths):
    """Do what the documentation of timm tells to do."""
    import timm

    model = model.eval()
    transform = timm.data.create_transform(**timm.data.resolve_model_data_config(model), is_training=False)
    return model(torch.stack([transform(Image.open(path).convert("RGB")) for path in paths]))


def _make(model, **kwargs):
    """Make a model with the same random weights as an encoder of the same name."""
    import timm

    torch.manual_seed(0)
    reference = timm.create_model(model, pretrained=False, num_classes=0, **kwargs)
    torch.manual_seed(0)
    return reference, TimmEncoder(model=model, pretrained=False, device="cpu")


@pytest.mark.parametrize(
    ("name", "dim"), [("vgg16", 4096), ("beit_base_patch16_224", 768), ("test_resnet", 96), ("test_vit", 64)]
)
def test_equal_to_the_library(tmp_path, name, dim):
    reference, encoder = _make(name)
    paths = [save_image(tmp_path / f"{i}.png", seed=i, width=300, height=240 - i) for i in range(2)]
    vectors = encoder.encode([encoder.load(path) for path in paths])
    assert vectors.shape == (2, dim) == (2, encoder.dim)
    assert torch.equal(vectors, _directly(reference, paths))
    assert encoder.model.startswith(f"{name}.")


def test_vgg16_gives_what_its_classifier_reads(tmp_path):
    """The layer before the classifier is the second fully connected one, after its activation."""
    import timm

    path = save_image(tmp_path / "image.png", width=300, height=240)
    torch.manual_seed(0)
    whole = timm.create_model("vgg16", pretrained=False)
    seen = []
    whole.head.fc.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    _directly(whole, [path])
    assert whole.head.fc.in_features == 4096
    encoder = TimmEncoder(model="vgg16", pretrained=False, device="cpu")
    encoder._model.load_state_dict({k: v for k, v in whole.state_dict().items() if not k.startswith("head.fc")})
    vectors = encoder.encode([encoder.load(path)])
    assert torch.equal(vectors, seen[0])
    assert (vectors >= 0).all()


def test_mean_over_images(tmp_path):
    """Equation 1 of the paper; broken images do not take part."""
    folder = make_folder(tmp_path / "images")
    (folder / "e1" / "3.jpg").write_bytes(b"broken")
    reference, encoder = _make("test_resnet")
    report = encode(read_folder(folder, "visual"), encoder, tmp_path / "f.safetensors", batch_size=8, progress=False)
    features = read_features(tmp_path / "f.safetensors").align(["e1", "e2"], unknown="ignore")
    expected = _directly(reference, [folder / "e1" / f"{i}.jpg" for i in range(3)]).mean(dim=0)
    torch.testing.assert_close(features.matrix[0], expected, atol=1e-6, rtol=1e-5)
    assert [problem.source for problem in report.problems] == [
        str(folder / "broken.png"),
        str(folder / "e1" / "3.jpg"),
    ]


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_checkpoint(tmp_path, suffix):
    """Weights come from a file with a classifier."""
    import timm

    torch.manual_seed(5)
    whole = timm.create_model("test_resnet", pretrained=False)
    path = tmp_path / f"weights{suffix}"
    save_file(whole.state_dict(), path) if suffix == ".safetensors" else torch.save(whole.state_dict(), path)
    image = save_image(tmp_path / "image.png")
    encoder = TimmEncoder(model="test_resnet", checkpoint_path=path, device="cpu")
    whole.reset_classifier(0)
    assert torch.equal(encoder.encode([encoder.load(image)]), _directly(whole, [image]))
    assert encoder.provenance()["weights_origin"] == path.name
    assert encoder.provenance() == TimmEncoder(model="test_resnet", checkpoint_path=path, device="cpu").provenance()


def test_checkpoint_never_runs_code(tmp_path):
    class Payload:
        def __reduce__(self):
            return open, (str(tmp_path / "marker"), "w")

    path = tmp_path / "weights.pth"
    for content in (pickle.dumps(Payload()), None):
        if content is None:
            torch.save({"state_dict": {}, "other": Payload()}, path)
        else:
            path.write_bytes(content)
        with pytest.raises(EncodingError, match="Cannot load the model"):
            TimmEncoder(model="test_resnet", checkpoint_path=path)
        assert not (tmp_path / "marker").exists()


def test_missing_checkpoint(tmp_path):
    with pytest.raises(EncodingError, match="do not exist"):
        TimmEncoder(model="test_resnet", checkpoint_path=tmp_path / "weights.pth")


def test_provenance():
    _, encoder = _make("test_resnet")
    provenance = encoder.provenance()
    assert provenance["model"] == "test_resnet.r160_in1k"
    assert provenance["weights_origin"] == "random"
    assert '"crop_pct"' in provenance["preprocessing"]
    assert "torchvision==" in provenance["versions"]
    torch.manual_seed(1)
    other = TimmEncoder(model="test_resnet", pretrained=False, device="cpu").provenance()
    assert {key for key, value in provenance.items() if other[key] != value} == {"weights"}


def test_unknown_model():
    with pytest.raises(EncodingError, match=r"Cannot load the model 'no_such_model'"):
        TimmEncoder(model="no_such_model", pretrained=False)


def test_weights_that_cannot_be_downloaded():
    with pytest.raises(EncodingError, match=r"(?s)Cannot load the model 'vgg16'.*checkpoint_path"):
        TimmEncoder(model="vgg16", device="cpu")


def test_thin_images_are_refused(tmp_path):
    """Resizing the shorter side of a line would make the longer one huge."""
    _, encoder = _make("test_resnet")
    path = tmp_path / "line.png"
    Image.new("RGB", (20_000, 1)).save(path)
    with pytest.raises(UnusableInputError, match="too thin"):
        encoder.load(path)
    Image.new("RGB", (200, 1)).save(path)
    assert encoder.load(path).shape == (3, 160, 160)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
def test_gpu_by_default(tmp_path):
    import timm

    torch.manual_seed(0)
    reference = timm.create_model("vgg16", pretrained=False, num_classes=0)
    torch.manual_seed(0)
    encoder = TimmEncoder(model="vgg16", pretrained=False)
    assert encoder.device.type == "cuda"
    paths = [save_image(tmp_path / f"{i}.png", seed=i) for i in range(3)]
    vectors = encoder.encode([encoder.load(path) for path in paths])
    torch.testing.assert_close(vectors, _directly(reference, paths), atol=1e-2, rtol=1e-2)
