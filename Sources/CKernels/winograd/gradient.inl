// The weight gradient: at each point the product of transposed patches and transformed gradients, summed over tiles,
// then transformed to the nine taps while still in cache.

/// Channels of a block of patches: whole vectors, which the transform writes, and whole tiles, which the product reads.
#define CK_WINOGRAD_OUTER_BLOCK (CK_TILE_ROWS * (CK_TILE_ROWS == 14 ? 8 : 16))
_Static_assert(CK_WINOGRAD_OUTER_BLOCK % CK_VW == 0, "a block of patches consists of whole vectors");

static void winograd_outer_product(const ck_winograd_problem *p, ck_winograd_patches x, ck_winograd_patches dy,
                                   long tiles, long channel, long channel_end, long panel, float *products,
                                   float *sums, long tap_step, int accumulate) {
  enum { extent = 6, points = extent * extent };
  const long padded = (p->channels + CK_VW - 1) / CK_VW * CK_VW;
  const long vectors = panel_vectors(p->columns, panel), width = vectors * CK_VW;
  const long padded_rows = (channel_end - channel + CK_TILE_ROWS - 1) / CK_TILE_ROWS * CK_TILE_ROWS;
  const long product_step = padded_rows * width + CK_POINT_GAP;
  // Equally full tiles: two of 8 rows take less time than one of 14 and one of 2, whose few sums wait for each other.
  const long count = channel_end - channel, tiles_of_rows = (count + CK_TILE_ROWS - 1) / CK_TILE_ROWS;
  const long even = ((count + tiles_of_rows - 1) / tiles_of_rows + 1) / 2 * 2;
  for (long point = 0; point < points; point++)
    for (long c = channel; c < channel_end; c += even) {
      const long block = c / x.block * x.block, block_width = at_most(x.block, padded - block);
      const float *a = x.base + point * x.point_step + block * x.rows + (c - block);
      const float *b = dy.base + point * dy.point_step + panel * dy.block * dy.rows;
      transposed_tiles[tile_index(at_most(even, channel_end - c))][vectors - 1](
          a, block_width, b, tiles, products + point * product_step + (c - channel) * width);
    }
  for (long c = channel; c < channel_end; c++)
    for (long v = 0; v < width; v += CK_VW) {
      const float *from = products + (c - channel) * width + v;
      vf half[3 * extent], taps[9];
      for (long k = 0; k < extent; k++) {
        vf line[extent];
        for (long l = 0; l < extent; l++) line[l] = vload(from + (l * extent + k) * product_step);
        transform_weight_gradient_axis(line, 1, half + k, extent);
      }
      for (long k = 0; k < 3; k++) transform_weight_gradient_axis(half + k * extent, 1, taps + 3 * k, 1);
      float *to = sums + (c - channel) * width + v;
      for (long t = 0; t < 9; t++, to += tap_step) vstore(to, accumulate ? vload(to) + taps[t] : taps[t]);
    }
}
