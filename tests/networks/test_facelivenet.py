"""FaceLiveNet: the published counts and paths, facenet inside it, and a second branch that learns alone."""

import copy
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, normalize

from countenance.errors import UsageError
from countenance.networks.architectures import ARCHITECTURES
from countenance.networks.facelivenet import (
    FULL,
    OFFICIAL,
    SEVEN,
    SLIM,
    BranchVariant,
    FaceLiveNet,
    FaceLiveNetOutput,
    Layout,
    TaskBranch,
    copy_branch,
    freeze_for_expression,
    from_facenet,
    from_facenet_blocks,
    longest_path,
    narrowed,
    unfreeze,
)
from countenance.networks.inception_resnet_v1 import (
    BLOCK_8,
    BLOCK_17,
    BLOCK_35,
    REDUCTION_A,
    REDUCTION_B,
    STEM,
    InceptionResnetV1,
    Residual,
    ShiftedNorm,
    fused,
    load,
)
from countenance.vocabulary import Expression

Pulled = Callable[[str], dict[str, Path]]
SIX = SEVEN[:6]
TINY = narrowed(OFFICIAL, numerator=1, denominator=16, hidden=8)


@pytest.fixture(autouse=True)
def _seeded():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(5)
        yield


@pytest.fixture(scope="module")
def facenet() -> InceptionResnetV1:
    """A network with statistics at random, in inference mode."""
    network = InceptionResnetV1().eval()
    settle(network, torch.Generator().manual_seed(0))
    return network


def settle(network: nn.Module, generator: torch.Generator) -> None:
    """Draw shifts and running statistics."""
    for part in network.modules():
        if isinstance(part, ShiftedNorm):
            part.bias.data.uniform_(-0.1, 0.1, generator=generator)
            assert part.running_mean is not None
            assert part.running_var is not None
            part.running_mean.uniform_(-0.1, 0.1, generator=generator)
            part.running_var.uniform_(0.01, 0.05, generator=generator)


def count(*modules: nn.Module | None) -> int:
    return sum(each.numel() for module in modules if module is not None for each in module.parameters())


def tensors_of(*modules: nn.Module | None) -> list[Tensor]:
    """Parameters and buffers, copied."""
    return [each.clone() for module in modules if module is not None for each in module.state_dict().values()]


def equal(one: list[Tensor], other: list[Tensor]) -> bool:
    return len(one) == len(other) > 0 and all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


@pytest.mark.parametrize(
    ("layout", "trunk", "first", "second"),
    [
        (OFFICIAL, 6_434_992, 3_200_000, 3_430_407),
        (SLIM, 629_775, 313_600, 368_135),
        (FULL, 22_779_312 - 6 * 1_600_000 - 1792 * 128 - 128, 6 * 1_600_000 + 1792 * 128 + 128, 3_430_407),
    ],
)
def test_it_is_as_large_as_published(layout: Layout, trunk: int, first: int, second: int) -> None:
    with torch.device("meta"):
        network = FaceLiveNet(layout, SEVEN)
    assert count(network.trunk) == trunk
    assert count(network.branch_1) == first
    assert count(network.branch_2, network.head) == second
    assert network.features == layout.features
    assert network.expressions == SEVEN
    assert len(SEVEN) == 7


def test_the_parts_of_the_trunk_are_as_large_as_published() -> None:
    with torch.device("meta"):
        trunk = FaceLiveNet().trunk
        slim = FaceLiveNet(SLIM).trunk
    assert [count(part) for part in trunk.children()] == [614_896, 77_248, 1_709_056, 689_536, 3_344_256]
    assert [count(part) for part in slim.children()] == [60_375, 7_640, 167_120, 67_640, 327_000]
    assert (OFFICIAL.low, OFFICIAL.middle, OFFICIAL.top) == (256, 896, 1792)
    assert (SLIM.low, SLIM.middle, SLIM.top, SLIM.features) == (80, 280, 560, 560)
    assert (OFFICIAL.features, FULL.features) == (1792, 128)


def test_the_rows_of_the_table() -> None:
    rows = [each for each in ARCHITECTURES if each.name.startswith("facelivenet")]
    assert [each.name for each in rows] == ["facelivenet", "facelivenet-slim", "facelivenet-full"]
    for row in rows:
        with torch.device("meta"):
            assert count(row.build()) == row.parameters
        assert "(N, 3, 160, 160): RGB in [0, 1]" in row.inputs


def test_the_widths_are_facenets() -> None:
    ours = (
        OFFICIAL.stem,
        OFFICIAL.block_35,
        OFFICIAL.reduction_a,
        OFFICIAL.block_17,
        OFFICIAL.reduction_b,
        OFFICIAL.block_8,
    )
    assert ours == (STEM, BLOCK_35, REDUCTION_A, BLOCK_17, REDUCTION_B, BLOCK_8)
    assert [layer.channels for layer in SLIM.stem if layer] == [10, 10, 20, 25, 60, 80]
    with pytest.raises(UsageError, match="1/3 of 32"):
        narrowed(OFFICIAL, numerator=1, denominator=3, hidden=8)
    with pytest.raises(UsageError, match="denominator of at least 1"):
        narrowed(OFFICIAL, numerator=1, denominator=0, hidden=8)


def test_the_longest_path() -> None:
    """About thirty layers, as section II has it; and those that images truly pass, counted as they run."""
    assert longest_path(OFFICIAL) == longest_path(SLIM) == (28, 2)
    assert longest_path(OFFICIAL, BranchVariant.BLOCK5_X1) == (24, 2)
    assert longest_path(FULL) == (6 + 5 * 4 + 3 + 10 * 4 + 3 + 8, 2)
    network = FaceLiveNet(TINY, SIX).eval()
    assert network.branch_2 is not None
    assert network.head is not None
    parts = [*network.trunk.children(), network.branch_2]
    ways = sum(deepest(part) for part in parts)
    assert (ways, sum(isinstance(part, nn.Linear) for part in network.head)) == (28, 2)


def deepest(part: nn.Module) -> int:
    """Convolutions on the longest way through a module."""
    if isinstance(part, nn.Conv2d):
        return 1
    within = sum(deepest(child) for name, child in part.named_children() if name != "branches")
    side_by_side = getattr(part, "branches", ())
    return within + max((deepest(branch) for branch in side_by_side), default=0)


@pytest.mark.parametrize("layout", [OFFICIAL, SLIM], ids=["official", "slim"])
def test_the_shapes_inside(layout: Layout) -> None:
    network = FaceLiveNet(layout, SIX).eval()
    seen: list[tuple[int, ...]] = []
    hooks = [
        part.register_forward_hook(lambda _part, _inputs, maps: seen.append(tuple(maps.shape[1:])))
        for part in network.trunk.children()
    ]
    with torch.inference_mode():
        told = network(torch.rand(2, 3, 160, 160))
    for hook in hooks:
        hook.remove()
    low, middle, top = layout.low, layout.middle, layout.top
    assert seen == [(low, 17, 17), (low, 17, 17), (middle, 8, 8), (middle, 8, 8), (top, 3, 3)]
    assert isinstance(told, FaceLiveNetOutput)
    assert told.features.shape == (2, layout.features)
    assert told.logits.shape == (2, 6)
    torch.testing.assert_close(told.features.norm(dim=1), torch.ones(2))


@pytest.mark.parametrize("variant", BranchVariant)
def test_both_branches_are_equal_after_initialisation(variant: BranchVariant) -> None:
    network = FaceLiveNet(TINY, SIX, variant=variant)
    assert network.branch_2 is not None
    first, second = list(network.branch_1.blocks_8), list(network.branch_2.blocks_8)
    taken = first[-1:] if variant is BranchVariant.BLOCK5_X1 else first
    assert equal(tensors_of(*second), tensors_of(*taken))
    for block, other in zip(second, taken, strict=True):
        assert isinstance(block, Residual)
        assert isinstance(other, Residual)
        assert (block.scale, block.rectified) == (other.scale, other.rectified)
    assert (network.branch_2.reduction_b is not None) == (variant is BranchVariant.BLOCK5_X2_BLOCK4)
    if network.branch_2.reduction_b is not None:
        assert equal(tensors_of(network.branch_2.reduction_b), tensors_of(network.trunk.reduction_b))
    own = {each.data_ptr() for each in network.branch_2.parameters()}
    assert not own & {each.data_ptr() for each in [*network.branch_1.parameters(), *network.trunk.parameters()]}


@pytest.mark.parametrize("variant", BranchVariant)
def test_a_gradient_reaches_every_parameter_and_the_pixels(variant: BranchVariant) -> None:
    network = FaceLiveNet(SLIM, SIX, variant=variant).train()
    images = torch.rand(3, 3, 160, 160, requires_grad=True)
    told = network(images)
    weights = torch.randn(SLIM.features)
    ((told.features * weights).sum() + cross_entropy(told.logits, torch.tensor([0, 1, 2]))).backward()
    assert [name for name, each in network.named_parameters() if each.grad is None or not each.grad.any()] == []
    assert images.grad is not None
    assert images.grad.any()


@pytest.mark.parametrize("variant", BranchVariant)
def test_a_face_alone_gets_what_it_gets_in_a_batch(variant: BranchVariant) -> None:
    network = FaceLiveNet(TINY, SIX, variant=variant).double().eval()
    settle(network, torch.Generator().manual_seed(1))
    images = torch.rand(3, 3, 160, 160, dtype=torch.float64)
    with torch.inference_mode():
        together = network(images)
        alone = [network(image[None]) for image in images]
        torch.testing.assert_close(normalize(network.embed(images)), together.features)
        kept = network.before_branch_2(network.trunk(images))
        torch.testing.assert_close(network.express(kept), together.logits)
    torch.testing.assert_close(torch.cat([each.features for each in alone]), together.features)
    torch.testing.assert_close(torch.cat([each.logits for each in alone]), together.logits)
    assert together.logits.std(0).min() > 0


def test_one_pass_of_the_trunk_serves_both_tasks() -> None:
    network = FaceLiveNet(TINY, SIX).eval()
    passes: list[str] = []
    for name, part in (("trunk", network.trunk), ("branch 1", network.branch_1), ("branch 2", network.branch_2)):
        assert part is not None
        part.register_forward_hook(lambda _part, _inputs, _maps, name=name: passes.append(name))
    network(torch.rand(2, 3, 160, 160))
    assert passes == ["trunk", "branch 1", "branch 2"]


def test_without_expressions_there_is_no_second_branch() -> None:
    network = FaceLiveNet(TINY).eval()
    images = torch.rand(2, 3, 160, 160)
    assert network.branch_2 is None
    assert network.head is None
    told = network(images)
    assert told.logits.shape == (2, 0)
    with pytest.raises(UsageError, match="fork it first"):
        copy_branch(network)
    with pytest.raises(UsageError, match="fork it first"):
        network.express(network.trunk(images).top)
    assert network.fork([Expression.HAPPY, Expression.SURPRISE]) is network
    assert not any(part.training for part in network.modules())
    again = network(images)
    torch.testing.assert_close(again.features, told.features, rtol=0, atol=0)
    assert again.logits.shape == (2, 2)


def test_the_weights_of_stage_1_fit_any_variant() -> None:
    one = FaceLiveNet(TINY)
    for variant in BranchVariant:
        other = FaceLiveNet(TINY, SIX, variant=variant)
        absent = other.load_state_dict(one.state_dict(), strict=False)
        assert absent.unexpected_keys == []
        assert all(name.startswith(("branch_2.", "head.")) for name in absent.missing_keys)


@pytest.mark.parametrize("expressions", [SIX[:1], (Expression.HAPPY, Expression.HAPPY)])
def test_expressions_that_cannot_be_told_apart(expressions: tuple[Expression, ...]) -> None:
    with pytest.raises(UsageError, match="two expressions or more, each named once"):
        FaceLiveNet(TINY, expressions)


def test_initial_weights_are_those_of_xavier() -> None:
    network = FaceLiveNet(SLIM, SIX)
    for part in network.modules():
        if isinstance(part, nn.Conv2d | nn.Linear):
            outs, ins, *kernel = part.weight.shape
            place = torch.Size(kernel).numel()
            bound = (6 / (place * (ins + outs))) ** 0.5  # Glorot and Bengio, Eq. 16
            assert 0.8 * bound < float(part.weight.detach().abs().max()) <= bound
            assert part.bias is None or not part.bias.any()
        elif isinstance(part, ShiftedNorm):
            assert not part.bias.any()


def test_rectified_logits_are_an_option() -> None:
    images = torch.rand(3, 3, 160, 160)
    network = FaceLiveNet(TINY, SEVEN).eval()
    logits = network(images).logits
    assert (logits < 0).any()
    network.rectified_logits = True
    assert torch.equal(network(images).logits, logits.clamp(min=0))
    assert FaceLiveNet(TINY, SEVEN, rectified_logits=True).rectified_logits
    assert not FaceLiveNet(TINY, SEVEN).rectified_logits


@pytest.mark.parametrize("variant", BranchVariant)
def test_stage_2_leaves_trunk_and_branch_1_as_they_are(variant: BranchVariant) -> None:
    network = FaceLiveNet(TINY, SIX, variant=variant)
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1, momentum=0.9, weight_decay=0.01)
    freeze_for_expression(network)
    images, labels = torch.rand(4, 3, 160, 160, requires_grad=True), torch.tensor([0, 1, 2, 3])
    frozen, learned = tensors_of(network.trunk, network.branch_1), tensors_of(network.branch_2, network.head)
    for _ in range(2):
        network.train()
        assert not any(part.training for each in (network.trunk, network.branch_1) for part in each.modules())
        assert network.branch_2 is not None
        assert all(part.training for part in network.branch_2.modules())
        optimizer.zero_grad()
        cross_entropy(network(images).logits, labels).backward()
        optimizer.step()
    assert equal(tensors_of(network.trunk, network.branch_1), frozen)
    changed = zip(tensors_of(network.branch_2, network.head), learned, strict=True)
    assert not any(torch.equal(now, before) for now, before in changed)  # statistics too
    assert images.grad is not None
    assert images.grad.any()
    assert copy.deepcopy(network).train().trunk.training is False
    unfreeze(network)
    assert all(part.training for part in network.modules())
    assert all(each.requires_grad for each in network.parameters())


def test_a_new_second_branch_starts_from_the_first() -> None:
    network = FaceLiveNet(TINY, SIX)
    with torch.no_grad():
        for each in network.branch_1.parameters():
            each.add_(1)
    assert isinstance(network.branch_2, TaskBranch)
    assert not equal(tensors_of(network.branch_2.blocks_8), tensors_of(network.branch_1.blocks_8))
    copy_branch(network)
    assert equal(tensors_of(network.branch_2.blocks_8), tensors_of(network.branch_1.blocks_8))


def test_facenet_is_trunk_and_branch_1_of_the_full_layout(facenet: InceptionResnetV1) -> None:
    network = from_facenet(facenet, SEVEN)
    images = torch.rand(2, 3, 160, 160)
    with torch.inference_mode():
        theirs, told = facenet(images), network(images)
    torch.testing.assert_close(told.features, normalize(theirs), rtol=0, atol=0)
    assert told.logits.shape == (2, 7)
    assert float(told.features[0] @ told.features[1]) < 0.9999
    assert network.branch_2 is not None
    ends = nn.Sequential(facenet.blocks_8[0], facenet.blocks_8[-1])
    assert equal(tensors_of(network.branch_2.blocks_8), tensors_of(ends))
    assert not network.training
    assert from_facenet(facenet).branch_2 is None


def test_the_published_facenet(pulled: Pulled) -> None:
    facenet = load(pulled("facenet")["facenet"])
    network = from_facenet(facenet)
    images = torch.rand(1, 3, 160, 160)
    with torch.inference_mode():
        torch.testing.assert_close(network.embed(images), facenet(images), rtol=0, atol=0)


def test_the_official_layout_starts_with_facenets_blocks(facenet: InceptionResnetV1) -> None:
    network = from_facenet_blocks(facenet, SIX, variant=BranchVariant.BLOCK5_X2_BLOCK4)
    first, last = facenet.blocks_8[0], facenet.blocks_8[-1]
    assert network.branch_2 is not None
    for ours, theirs in (
        (network.trunk.stem, facenet.stem),
        (network.trunk.blocks_35[0], facenet.blocks_35[0]),
        (network.trunk.reduction_a, facenet.reduction_a),
        (network.trunk.blocks_17[0], facenet.blocks_17[0]),
        (network.trunk.reduction_b, facenet.reduction_b),
        (network.branch_1.blocks_8, nn.Sequential(first, last)),
        (network.branch_2.blocks_8, nn.Sequential(first, last)),
        (network.branch_2.reduction_b, facenet.reduction_b),
    ):
        assert equal(tensors_of(ours), tensors_of(theirs))
    theirs_too = {each.data_ptr() for each in facenet.parameters()}
    assert not theirs_too & {each.data_ptr() for each in network.parameters()}


def test_what_facenet_does_not_fit(facenet: InceptionResnetV1) -> None:
    for layout in (SLIM, Layout(blocks_8=7), Layout(bottleneck=512)):
        with pytest.raises(UsageError, match="take OFFICIAL or FULL"):
            from_facenet_blocks(facenet, layout=layout)
    with pytest.raises(UsageError, match="folded into its convolutions"):
        from_facenet(fused(copy.deepcopy(facenet)))


@pytest.mark.parametrize(
    "images",
    [
        torch.rand(3, 160, 160),
        torch.rand(1, 1, 160, 160),
        torch.rand(1, 160, 160, 3),
        torch.rand(1, 3, 112, 112),
        torch.zeros(1, 3, 160, 160, dtype=torch.uint8),
    ],
)
def test_what_is_no_face(images: Tensor) -> None:
    network = FaceLiveNet(TINY, SIX).eval()
    for judge in (network, network.embed, network.trunk):
        with pytest.raises(UsageError, match=r"images \(N, 3, 160, 160\)"):
            judge(images)
