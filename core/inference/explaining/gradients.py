"""Methods that need gradients, by PyTorch and Captum: for the process that may load them.

All of them see the very score of the model, whatever its features are made of.
"""

from typing import Any

import numpy as np
import torch
from captum.attr import GuidedBackprop, IntegratedGradients, NoiseTunnel
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from torch import Tensor, nn

from core.errors import TouchstoneError
from core.inference.explaining.faithful import blurred_image
from core.inference.explaining.parts import interpolated
from core.inference.grad_cam import single_threaded, token_layer
from core.inference.heads import head_module
from core.inference.predictor import Predictor, build_module
from core.models.build import PixelFeatures, is_channels_last
from core.models.detail import stages_with_last

_STEPS = 6  # on the way from the baseline to the image
_NOISY = 3  # images in the noise tunnel
_NOISE = 12.0  # its standard deviation, in gray values
_FINEST = 16  # pixels of the image in a cell of the finest stage that Layer-CAM takes

Heat = NDArray[np.float32]


class Gradients:
    """The scores of a model as a function of its pixels that can be derived."""

    def __init__(self, predictor: Predictor) -> None:
        module = build_module(predictor.card, predictor.tensors).eval()
        self._score = _Score(module, head_module(predictor.head)).eval()
        for parameter in self._score.parameters():
            parameter.requires_grad_(False)

    def layer_cam(self, pixels: NDArray[np.uint8], class_index: int) -> Heat:
        """Layer-CAM of the last stages, fused: [S, S], at least 0.

        Raises:
            TouchstoneError: if the network has no maps.

        Source: Jiang et al. 2021, "LayerCAM: Exploring Hierarchical Class Activation Maps".
        """
        network = self._score.module.network
        if token_layer(network) is not None or is_channels_last(network):
            raise TouchstoneError(
                "Layer-CAM needs a convolutional network; this one is a transformer.",
                "Use Grad-CAM.",
            )
        with single_threaded():
            image = torch.from_numpy(pixels.copy())[None].float().requires_grad_(True)
            scores, stages = self._score.with_stages(image)
            gradients = torch.autograd.grad(scores[0, class_index], stages)
        side = len(pixels)
        result: Heat | None = None
        for maps, gradient in zip(stages, gradients, strict=True):  # last stage first
            if result is not None and side / maps.shape[-1] < _FINEST:
                break
            heat = _whole((maps * gradient.relu()).sum(1).relu().detach().numpy())
            fine = interpolated(heat / max(float(heat.max()), 1e-12), side)
            result = fine if result is None else np.sqrt(result * fine)
        assert result is not None
        return result

    def guided(self, pixels: NDArray[np.uint8], class_index: int) -> Heat:
        """Guided backpropagation: [S, S], at least 0. Times Grad-CAM it is guided Grad-CAM.

        Raises:
            TouchstoneError: if the network has no rectifiers, so that nothing is guided.

        Source: Springenberg et al. 2015, "Striving for Simplicity"; Selvaraju et al. 2017.
        """
        self._guide()
        with single_threaded():
            image = torch.from_numpy(pixels.copy())[None].float().requires_grad_(True)
            given = GuidedBackprop(self._score).attribute(image, target=class_index)
        return _gathered(given)

    def integrated(self, pixels: NDArray[np.uint8], class_index: int) -> Heat:
        """Integrated gradients from the blurred image, mean of several noisy images: [S, S].

        Sources: Sundararajan et al. 2017, "Axiomatic Attribution for Deep Networks"; Smilkov et al.
        2017, "SmoothGrad" (noise tunnel).
        """
        image = torch.from_numpy(pixels.copy())[None].float()
        baseline = torch.from_numpy(blurred_image(pixels).copy())[None].float()
        with single_threaded(), torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)  # the same image gives the same heatmap
            given = NoiseTunnel(IntegratedGradients(self._score)).attribute(
                image,
                baselines=baseline,
                target=class_index,
                n_steps=_STEPS,
                nt_samples=_NOISY,
                nt_samples_batch_size=1,
                internal_batch_size=_STEPS,
                stdevs=_NOISE,
            )
        return _gathered(given)

    def _guide(self) -> None:
        """Let Captum find the rectifiers: it knows `ReLU` alone, and none that works in place."""
        rectifiers = 0
        for parent in list(self._score.modules()):
            for name, child in list(parent.named_children()):
                if isinstance(child, nn.ReLU6):
                    setattr(parent, name, _ReLU6())
                rectifiers += isinstance(child, nn.ReLU | nn.ReLU6)
                if isinstance(child, nn.ReLU):
                    child.inplace = False
        if not rectifiers:
            raise TouchstoneError(
                "Guided Grad-CAM needs a network with rectifiers (ReLU); this one has none.",
                "Use integrated gradients or Grad-CAM.",
            )


class _ReLU6(nn.ReLU):
    """At most 6; a `ReLU` to Captum."""

    def forward(self, input: Tensor) -> Tensor:
        return input.clamp(0, 6)


class _Score(nn.Module):
    """Float pixels [B, S, S, 3] to logits [B, C]."""

    def __init__(self, module: PixelFeatures, head: nn.Module) -> None:
        super().__init__()
        self.module, self.head = module, head

    def forward(self, pixels: Tensor) -> Tensor:
        """The same numbers as the fast runtime."""
        logits: Tensor = self.head(self.module(pixels))
        return logits

    def with_stages(self, pixels: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Logits [1, C], and the maps of the stages [V, D_k, h_k, w_k], last stage first."""
        module: Any = self.module
        if hasattr(module, "pooled"):
            stages = module.stages(module.views(pixels))
            return self.head(module.pooled(stages)), stages
        final, stages = stages_with_last(module.network, module.normalized(pixels))
        return self.head(module.network.forward_head(final, pre_logits=True)), stages


def _whole(views: Heat) -> Heat:
    """The maps [V, h, w] of all views as one: of the image, mirrored, turned, or its quarters."""
    if len(views) == 1:
        single: Heat = views[0]
        return single
    if len(views) == 2:
        mirrored: Heat = views[0] + views[1][:, ::-1]
        return mirrored
    if len(views) == 4:
        turned: Heat = np.sum([np.rot90(view, -turns) for turns, view in enumerate(views)], axis=0)
        return turned
    quarters = np.block([[views[1], views[2]], [views[3], views[4]]])
    whole: Heat = interpolated(views[0], len(quarters)) + quarters
    return whole


def _gathered(given: Tensor) -> Heat:
    """What pixels [1, S, S, 3] give, gathered over colours and a small neighbourhood: [S, S]."""
    heat = np.maximum(given.detach().numpy()[0].sum(2), 0)
    smooth: Heat = gaussian_filter(heat, sigma=len(heat) / 64)
    return smooth
