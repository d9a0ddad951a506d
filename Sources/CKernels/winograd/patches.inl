// Patches of x, and tiles of the gradient of y, to points. Lanes are channels: those that do not exist hold whatever
// follows in memory, and no product reads them.

typedef struct {
  long image, row, column;
} tile_place;

CK_INLINE tile_place place_of_tile(const ck_winograd_problem *p, long tile) {
  const long row = tile / p->tiles.width;
  return (tile_place){row / p->tiles.height, row % p->tiles.height, tile % p->tiles.width};
}

CK_INLINE long at_least(long a, long b) { return a > b ? a : b; }
CK_INLINE long at_most(long a, long b) { return a < b ? a : b; }

/// Transforms a square of `size` elements at each channel, of which rows [top, bottom) and columns [left, right) lie
/// inside the image and the others are zeros, to points that become a row of `to`. `corner` is where the square's
/// first element would lie. Meanwhile the next square to the right is fetched, as far as the two do not overlap.
CK_INLINE void transform_square(const long m, const int is_gradient, const float *corner, long line_step, long channels,
                                long top, long bottom, long left, long right, ck_winograd_patches to, long row) {
  const long extent = m + 2, size = is_gradient ? m : extent;
  const long padded = (channels + CK_VW - 1) / CK_VW * CK_VW;
  const int is_inside = top == 0 && left == 0 && bottom == size && right == size;
  vf square[CK_WINOGRAD_MOST * CK_WINOGRAD_MOST], half[CK_WINOGRAD_MOST * CK_WINOGRAD_MOST];
  if (!is_inside)
    for (long i = 0; i < size * size; i++) square[i] = (vf){0};
  for (long block = 0; block < padded; block += to.block) {
    const long width = at_most(to.block, padded - block);
    float *next = to.base + block * to.rows + row * width;
    for (long c = block; c < block + width; c += CK_VW, next += CK_VW) {
      const float *from = corner + c;
      if (is_inside) {
        for (long j = 0; j < size; j++) {
          vf line[CK_WINOGRAD_MOST];
#pragma clang loop unroll(full)
          for (long i = 0; i < size; i++) line[i] = vload(from + i * line_step + j * channels);
          if (j >= size - m)
#pragma clang loop unroll(full)
            for (long i = 0; i < size; i++) __builtin_prefetch(from + i * line_step + (j + m) * channels);
          if (is_gradient)
            transform_gradient_axis(line, 1, half + j, size);
          else
            transform_input_axis(m, line, 1, half + j, size);
        }
      } else {
        for (long i = top; i < bottom; i++)
          for (long j = left; j < right; j++) square[i * size + j] = vload(from + i * line_step + j * channels);
        for (long j = 0; j < size; j++)
          if (is_gradient)
            transform_gradient_axis(square + j, size, half + j, size);
          else
            transform_input_axis(m, square + j, size, half + j, size);
      }
      for (long i = 0; i < extent; i++) {
        vf line[CK_WINOGRAD_MOST];
        if (is_gradient)
          transform_gradient_axis(half + i * size, 1, line, 1);
        else
          transform_input_axis(m, half + i * size, 1, line, 1);
#pragma clang loop unroll(full)
        for (long j = 0; j < extent; j++) vstore(next + (i * extent + j) * to.point_step, line[j]);
      }
    }
  }
}

CK_INLINE void transform_input_tiles(const long m, const ck_winograd_problem *p, long tile, long tile_end,
                                     ck_winograd_patches to, long row) {
  const long line_step = p->input.width * p->channels;
  for (; tile < tile_end; tile++, row++) {
    const tile_place at = place_of_tile(p, tile);
    const long y = at.row * m - p->padding.height, x = at.column * m - p->padding.width;
    transform_square(m, 0, p->x + (at.image * p->input.height + y) * line_step + x * p->channels, line_step,
                     p->channels, at_least(0, -y), at_most(m + 2, p->input.height - y), at_least(0, -x),
                     at_most(m + 2, p->input.width - x), to, row);
  }
}

CK_INLINE void transform_gradient_tiles(const long m, const ck_winograd_problem *p, long tile, long tile_end,
                                        ck_winograd_patches to, long row) {
  const long line_step = p->output.width * p->columns;
  for (; tile < tile_end; tile++, row++) {
    const tile_place at = place_of_tile(p, tile);
    const long y = at.row * m, x = at.column * m;
    transform_square(m, 1, p->y + (at.image * p->output.height + y) * line_step + x * p->columns, line_step,
                     p->columns, 0, at_most(m, p->output.height - y), 0, at_most(m, p->output.width - x), to, row);
  }
}
