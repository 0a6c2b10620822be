import pytest
import timm
import torch

from core.errors import NotFoundError
from core.models import catalog
from core.models.build import PixelFeatures, build_network, head_of
from core.models.catalog import NETWORKS, Availability, availability, find_network, wheel_file
from core.models.detail import feature_width
from core.models.structure import structure_of

BUILT_IN = ("tf_efficientnet_lite0", "tf_efficientnet_lite1", "tf_efficientnet_lite2")


@pytest.mark.parametrize("network", NETWORKS, ids=lambda n: n.name)
def test_what_the_catalog_says_is_what_timm_says(network):
    says = timm.get_pretrained_cfg(network.name)
    assert network.hub_id == says.hf_hub_id
    assert (network.mean, network.std) == (tuple(says.mean), tuple(says.std))
    assert network.image_size_px == says.input_size[1]
    # It works at its smallest image size.
    with torch.device("meta"):  # shapes only: filling ten networks with random numbers is slow
        module = build_network(network.name, says.num_classes)
        assert network.has_stages is (structure_of(module.state_dict()) is not None)
        parameters = sum(p.numel() for p in module.parameters())
        assert network.parameters_m == pytest.approx(parameters / 1e6, abs=0.1)
        features = PixelFeatures(module, network.mean, network.std).train()
        pixels = torch.zeros(2, network.min_size_px, network.min_size_px, 3, dtype=torch.uint8)
        assert features.logits(pixels).shape == (2, says.num_classes)
        width = head_of(features.network).in_features
        assert features(pixels).shape == (2, width)
        assert feature_width(features, network.min_size_px) == width


def test_features_and_head_make_the_logits():
    network = find_network("tf_efficientnet_lite0")
    model = build_network(network.name, 3).eval()
    features = PixelFeatures(model, network.mean, network.std)
    pixels = torch.randint(0, 255, (2, 64, 64, 3), dtype=torch.uint8)
    with torch.inference_mode():
        logits = head_of(model)(features(pixels))
        assert torch.allclose(features.logits(pixels), logits, atol=1e-4)


@pytest.mark.parametrize("name", BUILT_IN)
def test_the_built_in_networks_are_on_this_machine(name, tmp_path):
    network = find_network(name)
    assert wheel_file(network) is not None
    assert availability(network, tmp_path) is Availability.HERE


def test_a_network_that_is_nowhere_is_not_available(tmp_path):
    assert availability(find_network("resnet50"), tmp_path) is Availability.MISSING


def test_a_file_that_a_user_brought_counts(tmp_path):
    (tmp_path / "resnet50.safetensors").write_bytes(b"x")
    assert availability(find_network("resnet50"), tmp_path) is Availability.HERE


def test_an_unknown_network_is_not_found_and_the_hint_lists_the_known():
    with pytest.raises(NotFoundError) as caught:
        find_network("resnet51")
    assert "resnet50" in caught.value.hint
    assert catalog.DEFAULT_NETWORK in BUILT_IN


def test_licenses_are_those_that_the_library_of_networks_states():
    for network in NETWORKS:
        stated = timm.get_pretrained_cfg(network.name).license
        assert network.license.lower() == stated, network.name
