"""An exported network of still presentations in the place of the trained one."""

import os
from typing import Final

import numpy as np
import torch
from torch import Tensor, nn

from countenance.errors import UsageError
from countenance.export.engines import Engine
from countenance.export.exportable import Kind
from countenance.export.folder import Exported, read_export
from countenance.export.presentations import MARGINS

_WHITE: Final = 255


class ExportedNetwork(nn.Module):
    """Judges as the trained network does, and is called as one; it has no weights that PyTorch knows.

    Args:
        exported: of still presentations.

    Raises:
        UsageError: it judges something else.
    """

    def __init__(self, exported: Exported) -> None:
        super().__init__()
        if exported.kind is not Kind.PRESENTATION:
            raise UsageError(
                expected="an exported network of still presentations",
                came=f"{exported.name}, of a {exported.kind}",
                remedy="ask it through read_export, or name another one",
            )
        self.exported = exported
        self.modalities = tuple(each.modality for each in exported.inputs)
        self.side = exported.inputs[0].shape[0]

    def forward(self, planes: Tensor, present: Tensor | None = None) -> Tensor:
        """Return the margins (N,) of planes (N, C, side, side) in [0, 1]: bytes over 255.

        Raises:
            UsageError: another shape, or a sensor that is told to be absent.
        """
        if present is not None and not bool(present.all()):
            raise UsageError(
                expected="every sensor of an exported network", came="one told to be absent", remedy="name the run"
            )
        levels = (planes * _WHITE).round().to(torch.uint8).permute(0, 2, 3, 1).cpu().numpy()
        ends = np.cumsum([each.shape[-1] for each in self.exported.inputs])
        parts = np.split(levels, ends[:-1], axis=-1)
        answers = self.exported.judge({each.name: part for each, part in zip(self.exported.inputs, parts, strict=True)})
        return torch.from_numpy(answers[MARGINS][:, 0])


def exported_network(
    folder: str | os.PathLike[str], *, engine: Engine = Engine.ONNXRUNTIME, threads: int = 1
) -> ExportedNetwork:
    """Read an exported network of still presentations; arguments and errors as for `read_export`.

    Raises:
        UsageError: it judges something else.
    """
    return ExportedNetwork(read_export(folder, engine=engine, threads=threads))
