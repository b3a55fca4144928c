"""The colour of skin in daylight and at 860 nm, from two numbers: its melanin and its blood.

Light crosses the epidermis, is scattered back by the dermis, and crosses the epidermis again. Both layers' absorption
is known band by band, so that one pair of pigments gives red, green, blue and infrared together: skin of every tone is
bright at 860 nm, and lips, freckles and blushes vanish there.

Absorption of melanin and of bloodless skin: S. L. Jacques, "Skin optics", Oregon Medical Laser Center News, January
1998. Whole blood at 150 g/l and 75 % saturation: S. Prahl's tables of haemoglobin (omlc.org). Reduced scattering: S. L.
Jacques, "Optical properties of biological tissues: a review", Phys. Med. Biol. 58 (2013) R37. Diffuse reflectance: S.
T. Flock, M. S. Patterson, B. C. Wilson and D. R. Wyman, IEEE Trans. Biomed. Eng. 36 (1989) 1162. The factor of internal
reflection is 1.6, where the refractive index of 1.4 gives about 3: that is redder and darker than people are.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

BANDS = (610.0, 540.0, 460.0, 860.0)  # nm: what the three colour planes and the infrared plane see
_EPIDERMIS = 0.006  # cm
_SLANT = 2.4  # of the double pass, as diffuse light takes it
_BLOOD = (18.6, 285.0, 238.0, 5.3)  # 1/cm, whole blood in these bands
_INTERNAL = 1.6


def albedo(melanin: ArrayLike, blood: ArrayLike) -> NDArray[np.float32]:
    """Reflectance of skin in the four bands.

    Args:
        melanin: volume fraction of melanosomes in the epidermis, any shape.
        blood: volume fraction of blood in the dermis, of a shape that goes with it.

    Returns:
        (4, ...) float32 in [0, 1]: red, green, blue, 860 nm.

    >>> light, dark = albedo(0.02, 0.007), albedo(0.30, 0.007)
    >>> bool(dark[1] < 0.4 * light[1] and dark[3] > 0.6 * light[3])  # tones differ in green, hardly at 860 nm
    True
    """
    melanin, blood = np.broadcast_arrays(np.asarray(melanin, np.float32), np.asarray(blood, np.float32))
    planes = np.empty((len(BANDS), *melanin.shape), np.float32)
    for plane, (band, whole_blood) in enumerate(zip(BANDS, _BLOOD, strict=True)):
        melanosome = 6.6e11 * band**-3.33
        bloodless = 0.244 + 85.3 * float(np.exp(-(band - 154) / 66.2))
        scattering = 46 * (band / 500) ** -1.42
        absorbed = 1 / (1 + (bloodless + whole_blood * blood) / scattering)  # the reduced albedo a'
        lost = 1 - absorbed
        back = absorbed / (1 + 2 * _INTERNAL * lost + (1 + 2 * _INTERNAL / 3) * np.sqrt(3 * lost))
        planes[plane] = np.exp(-_SLANT * _EPIDERMIS * melanosome * melanin) * back
    return planes
