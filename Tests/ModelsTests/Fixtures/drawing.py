"""Numbers as the tests draw them, by the library's counter-based generator; so no weights or inputs are stored."""
import numpy as np
import torch

SEED = 7
# Chosen so that no input of a ReLU is nearer to zero than rounding errors reach: there the gradient would jump.
INPUT_STREAM = 1_000_005


def philox(blocks, stream, seed):
    """Philox 4x32-10 (Salmon et al., 2011) for counters (block, stream); four words for each block."""
    mask = np.uint64(0xFFFFFFFF)
    index = np.arange(blocks, dtype=np.uint64)
    c = [index & mask, index >> np.uint64(32)] + [
        np.full(blocks, word, np.uint64) for word in (stream & 0xFFFFFFFF, stream >> 32)]
    k0, k1 = seed & 0xFFFFFFFF, seed >> 32
    for _ in range(10):
        p0, p1 = c[0] * np.uint64(0xD2511F53), c[2] * np.uint64(0xCD9E8D57)
        c = [
            (p1 >> np.uint64(32)) ^ c[1] ^ np.uint64(k0), p1 & mask,
            (p0 >> np.uint64(32)) ^ c[3] ^ np.uint64(k1), p0 & mask]
        k0, k1 = (k0 + 0x9E3779B9) & 0xFFFFFFFF, (k1 + 0xBB67AE85) & 0xFFFFFFFF
    return c


def uniform(shape, stream, low, high):
    """`RandomStream(seed: 7, stream:).uniform(low..<high)`, in single precision."""
    count = int(np.prod(shape))
    c = philox((count + 1) // 2, stream, SEED)
    # A draw takes the top 24 bits of 64: those of the second and the fourth word.
    words = np.stack([c[1], c[3]], axis=1).reshape(-1)[:count]
    unit = (words >> np.uint64(8)).astype(np.float32) * np.float32(2.0**-24)
    low, high = np.float32(low), np.float32(high)
    return torch.from_numpy((low + (high - low) * unit).reshape(shape))
