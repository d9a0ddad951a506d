// Philox 4x32-10 (Salmon et al., SC 2011), a vector of blocks at a time, and dropout with it.

typedef uint32_t vu __attribute__((vector_size(CK_VW * 4)));
typedef uint64_t vu64 __attribute__((vector_size(CK_VW * 8)));

/// Rounds of CK_VW consecutive blocks from `block` on; word w of block l goes to words[4 * l + w].
static void philox(uint64_t seed, uint64_t stream, uint64_t block, uint32_t *words) {
  vu64 blocks = {0};
  for (int i = 0; i < CK_VW; i++) blocks[i] = block + (uint64_t)i;
  vu c0 = __builtin_convertvector(blocks, vu), c1 = __builtin_convertvector(blocks >> 32, vu);
  vu c2 = (vu){0} + (uint32_t)stream, c3 = (vu){0} + (uint32_t)(stream >> 32);
  uint32_t k0 = (uint32_t)seed, k1 = (uint32_t)(seed >> 32);
  for (int round = 0; round < 10; round++) {
    vu64 p0 = __builtin_convertvector(c0, vu64) * 0xD2511F53u, p1 = __builtin_convertvector(c2, vu64) * 0xCD9E8D57u;
    c0 = __builtin_convertvector(p1 >> 32, vu) ^ c1 ^ k0;
    c1 = __builtin_convertvector(p1, vu);
    c2 = __builtin_convertvector(p0 >> 32, vu) ^ c3 ^ k1;
    c3 = __builtin_convertvector(p0, vu);
    k0 += 0x9E3779B9u;
    k1 += 0xBB67AE85u;
  }
  for (int i = 0; i < CK_VW; i++) {
    words[4 * i] = c0[i];
    words[4 * i + 1] = c1[i];
    words[4 * i + 2] = c2[i];
    words[4 * i + 3] = c3[i];
  }
}

static void dropout(ck_dropout p, uint64_t first, const float *x, float *y, long n) {
  for (long i = 0; i < n; i += 4 * CK_VW) {
    uint32_t words[4 * CK_VW];
    philox(p.seed, p.stream, (first + (uint64_t)i) / 4, words);
    for (int v = 0; v < 4 && i + v * CK_VW < n; v++) {
      vu w;
      memcpy(&w, words + v * CK_VW, sizeof w);
      vf uniform = __builtin_convertvector((vi)(w >> 8), vf) * 0x1p-24f;
      vf kept = vload(x + i + v * CK_VW) * p.scale;
      vstore_upto(y, i + v * CK_VW, n, vselect(uniform < vset(p.probability), vset(0), kept));
    }
  }
}
