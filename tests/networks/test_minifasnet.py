"""MiniFASNet: the published scores, the authors' crop, and a module that can be trained."""

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from countenance.errors import DataError, MissingFile, UsageError
from countenance.images import read_image
from countenance.networks.minifasnet import (
    RECORD,
    Box,
    MiniFasNet,
    MiniFasNetPair,
    build_v1se,
    build_v2,
    crop,
    load,
)

Pulled = Callable[[str], dict[str, Path]]
BUILDERS = {"minifasnet_v2": build_v2, "minifasnet_v1se": build_v1se}
IMAGES = np.random.default_rng(0).integers(0, 256, (2, 80, 80, 3), dtype=np.uint8)


def tensor(images: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255


@pytest.fixture(scope="module")
def pair(pulled: Pulled) -> MiniFasNetPair:
    v2, v1se = (load(pulled(name)[name], build) for name, build in BUILDERS.items())
    return MiniFasNetPair(v2=v2, v1se=v1se)


def test_recorded_outputs(pair: MiniFasNetPair) -> None:
    with torch.inference_mode():
        found = [network(tensor(IMAGES)).numpy() for network in (pair.v2, pair.v1se)]
    expected = [
        [[-2.4667, 4.0200, -1.5561], [-2.1868, 4.0194, -1.8355]],
        [[-0.9338, 3.5141, -2.5819], [-1.4866, 4.7808, -3.2963]],
    ]
    np.testing.assert_allclose(found, expected, atol=2e-3)


# YuNet's boxes; weights.md has .22, .00 and 1.00 for RetinaFace's.
@pytest.mark.parametrize(
    ("name", "box", "expected"),
    [
        ("image_F1.jpg", (187.3, 109.7, 195.5, 239.3), (0.014, 0.432)),
        ("image_F2.jpg", (138.5, 216.2, 223.4, 298.9), (0.001, 0.004)),
        ("image_T1.jpg", (119.0, 113.6, 169.5, 240.2), (1.000, 1.000)),
    ],
)
def test_the_authors_samples(
    pair: MiniFasNetPair,
    real: Callable[[str], Path],
    name: str,
    box: Box,
    expected: tuple[float, float],
) -> None:
    image = read_image(real(f"minifasnet/{name}"))
    both = pair.class_probabilities([image], [box])[:, 0, 1]
    np.testing.assert_allclose(both, expected, atol=0.02)
    score = pair.bona_fide_score(image, box)
    assert score == pytest.approx(both.mean())
    assert RECORD.operating_point is not None
    assert (score >= RECORD.operating_point.value) == (name == "image_T1.jpg")


def test_alone_as_in_a_batch(pair: MiniFasNetPair) -> None:
    images = [np.random.default_rng(n).integers(0, 256, (90 + n, 120, 3), dtype=np.uint8) for n in range(3)]
    boxes = [(30.0, 20.0, 40.0, 50.0), (2.0, 3.0, 20.0, 20.0), (90.5, 60.0, 25.0, 25.5)]
    together = pair.bona_fide_scores(images, boxes)
    alone = [pair.bona_fide_score(image, box) for image, box in zip(images, boxes, strict=True)]
    np.testing.assert_allclose(together, alone, atol=1e-6)
    probabilities = pair.class_probabilities(images, boxes)
    assert probabilities.shape == (2, 3, 3)
    np.testing.assert_allclose(probabilities.sum(axis=2), 1, atol=1e-6)
    assert len(np.unique(together)) == 3


@pytest.mark.parametrize("build", [build_v2, build_v1se])
def test_a_gradient_reaches_every_parameter(build: Callable[[], MiniFasNet]) -> None:
    torch.manual_seed(0)
    network = build().train()
    network(tensor(np.tile(IMAGES, (2, 1, 1, 1)))).square().sum().backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        assert torch.isfinite(parameter.grad).all(), name
        assert parameter.grad.abs().max() > 0, name


def published(network: MiniFasNet, path: Path) -> Path:
    """Write the state of `network` under the names that the authors' files have."""
    save_file({f"module.{name}": values for name, values in network.state_dict().items()}, path)
    return path


@pytest.mark.parametrize("build", [build_v2, build_v1se])
def test_loading_gives_the_network_that_was_saved(build: Callable[[], MiniFasNet], tmp_path: Path) -> None:
    torch.manual_seed(1)
    network = build().eval()
    again = load(published(network, tmp_path / "w.safetensors"), build)
    assert not again.training
    with torch.inference_mode():
        assert torch.equal(again(tensor(IMAGES)), network(tensor(IMAGES)))


def test_loading_refuses_another_network_or_format(tmp_path: Path) -> None:
    other = published(build_v1se(), tmp_path / "other.safetensors")
    with pytest.raises(DataError, match="weights that build_v2 needs"):
        load(other, build_v2)
    without = build_v2()
    del without.bn
    with pytest.raises(DataError, match="other tensors"):
        load(published(without, tmp_path / "less.safetensors"), build_v2)
    (tmp_path / "text").write_text("no tensors")
    with pytest.raises(DataError, match="another format"):
        load(tmp_path / "text", build_v2)
    with pytest.raises(MissingFile, match="weights of a MiniFASNet"):
        load(tmp_path / "absent", build_v2)


# Worked on paper: (rows, columns), box, scale, then first and last column, first and last row.
@pytest.mark.parametrize(
    ("size", "box", "scale", "window"),
    [
        ((100, 100), (40, 30, 20, 20), 2.0, (30, 70, 20, 60)),  # inside
        ((100, 100), (0, 0, 20, 20), 2.0, (0, 40, 0, 40)),  # shifted from the left and the top
        ((100, 100), (80, 80, 20, 20), 2.0, (59, 99, 59, 99)),  # shifted from the right and the bottom
        ((100, 100), (10, 10, 50, 50), 4.0, (0, 99, 0, 99)),  # no larger than the picture
        ((100, 100), (40.6, 30.2, 20.5, 20.5), 2.0, (30, 71, 19, 60)),  # fractions are cut off
        ((60, 100), (10, 10, 20, 40), 4.0, (5, 34, 0, 59)),  # the height limits both sides
        ((100, 60), (10, 10, 40, 20), 4.0, (0, 59, 5, 34)),
    ],
)
def test_crop_by_hand(size: tuple[int, int], box: Box, scale: float, window: tuple[int, int, int, int]) -> None:
    image = np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8)
    left, right, top, bottom = window
    cut = crop(image, box, scale=scale)
    assert cut.dtype == np.uint8
    np.testing.assert_array_equal(cut, cv2.resize(image[top : bottom + 1, left : right + 1], (80, 80)))


@pytest.mark.parametrize("box", [(0, 0, 0, 10), (0, 0, 10, -1), (float("nan"), 0, 10, 10), (0, 0, float("inf"), 1)])
def test_crop_refuses_a_box_without_an_area(box: Box) -> None:
    with pytest.raises(UsageError, match="with an area"):
        crop(np.zeros((90, 90, 3), np.uint8), box, scale=2.7)


def test_a_picture_without_a_box_is_refused() -> None:
    pair = MiniFasNetPair(v2=build_v2().eval(), v1se=build_v1se().eval())
    cases: list[tuple[list[np.ndarray], list[Box]]] = [([IMAGES[0]], []), ([], [])]
    for images, boxes in cases:
        with pytest.raises(UsageError, match="one box for each picture"):
            pair.bona_fide_scores(images, boxes)
