import numpy as np
import pytest

from pancreasgen.scan.fft import LANES, fft_length, fft_plan, transform


@pytest.mark.parametrize("length", [1, 2, 3, 4, 6, 48, 128, 768, 1536])
def test_it_is_the_discrete_fourier_transform(length: int) -> None:
    """Every slice equals numpy's transform, relative error below 1e-6 of the largest."""
    cells = np.random.default_rng(length).standard_normal((length, 2, LANES)).astype(np.float32)
    data, scratch = cells.reshape(-1).copy(), np.zeros(cells.size, dtype=np.float32)
    got = (scratch if transform(data, scratch, length, *fft_plan(length)) else data).reshape(cells.shape)
    truth = np.fft.fft(cells[:, 0] + 1j * cells[:, 1], axis=0)
    assert np.abs(got[:, 0] + 1j * got[:, 1] - truth).max() < 1e-6 * np.abs(truth).max()


def test_lengths_have_small_factors_only() -> None:
    """A length is the next of 1, 2, 3 or 6 times a power of 4."""
    assert [fft_length(n) for n in (1, 5, 7, 13, 17, 49, 1025)] == [1, 6, 8, 16, 24, 64, 1536]
