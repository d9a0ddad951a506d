// Products for F(4, 3) from weights of which one axis is transformed: the other one follows right before they are used, so
// that 18 instead of 36 floats for each pair of channels come from memory and lie there.

/// Most channels whose points are made at a time: with few tiles, whose products are soon over, as many as the nearest
/// cache holds; else more, because each block of channels takes up the sums where the one before left them.
CK_INLINE long halfway_channels(long groups) { return groups > 1 ? 64 : 32; }

/// Floats of the points of a row that wait for their products.
#define CK_WINOGRAD_HALFWAY_SIZE (6 * (64 * CK_TILE_COLUMNS + CK_POINT_GAP))

/// Weights [channel][3][width] to six matrices [channel][width], `step` floats apart.
CK_INLINE void transform_weight_rows(const float *weights, long channels, long width, float *to, long step) {
  for (; channels > 0; channels--, weights += 3 * width)
    for (long v = 0; v < width; v += CK_VW, to += CK_VW) {
      vf line[3], points[6];
#pragma clang loop unroll(full)
      for (long j = 0; j < 3; j++) line[j] = vload(weights + j * width + v);
      transform_weights_axis(F4_3, line, 1, points, 1);
#pragma clang loop unroll(full)
      for (long j = 0; j < 6; j++) vstore(to + j * step, points[j]);
    }
}

static void multiply_halfway(const ck_winograd_problem *p, long tile, long tile_end, long panel,
                             const float *patches, long point_step, long group_rows, float *products,
                             ck_moments moments) {
  const long extent = 6, tiles = tile_end - tile, channels = p->channels;
  const long group_size = group_rows * ((channels + CK_VW - 1) / CK_VW * CK_VW);
  const long groups = (tiles + group_rows - 1) / group_rows;
  const long product_step = groups * group_rows * CK_TILE_COLUMNS + CK_POINT_GAP;
  const long vectors = panel_vectors(p->columns, panel), width = vectors * CK_VW;
  const float *weights = p->weights + panel * CK_TILE_COLUMNS * 3 * extent * channels;
  float *transformed = products + extent * extent * product_step;
  // Between the points the weights that come next are fetched, those of the next panel in the end.
  const long fetched = (3 * width * (long)sizeof(float) + extent * groups - 1) / (extent * groups);
  for (long row = 0; row < extent; row++)
    for (long channel = 0; channel < channels; channel += halfway_channels(groups)) {
      const long depth = at_most(halfway_channels(groups), channels - channel);
      const long step = depth * width + CK_POINT_GAP;
      transform_weight_rows(weights, depth, width, transformed, step);
      weights += 3 * depth * width;
      prefetching ahead = {(const char *)weights, fetched};
      for (long column = 0; column < extent; column++) {
        const long point = row * extent + column;
        const float *group = patches + point * point_step;
        for (long t = 0; t < tiles; t += group_rows, group += group_size) {
          const long rows = at_most(group_rows, tiles - t), stored = rows > 1 ? rows + rows % 2 : 1;
          // The patches that are multiplied next are those of the next tiles, or of the first ones at the next point.
          const long next = t + group_rows < tiles ? group_size : point_step - (groups - 1) * group_size;
          blocked_tiles[tile_index(rows)][vectors - 1](group + channel * stored, transformed + column * step, depth,
                                                       products + point * product_step + t * width, channel > 0, next,
                                                       ahead);
          ahead.at += depth * fetched;
        }
      }
    }
  finish_tiles(F4_3, p, tile, tile_end, panel, panel + 1, products, product_step, moments);
}
