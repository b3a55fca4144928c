"""A published recogniser, written anew from bytes to templates, gives the templates of the published file."""

import numpy as np
import pytest

from countenance.export.exportable import exportable
from countenance.released import recogniser


@pytest.mark.parametrize("name", ["sface", "fr_feature"])
def test_templates_are_those_of_the_published_file(name, pulled, asked):
    pulled(name)
    faces = np.random.default_rng(0).integers(0, 256, (2, 112, 112, 3), dtype=np.uint8)
    faces[1] = np.linspace(0, 255, 112)[None, :, None]
    templates = asked(exportable(name).model, {"faces": faces})
    np.testing.assert_allclose(templates, recogniser(name).embed(faces), atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(templates, axis=1), 1, atol=1e-6)
