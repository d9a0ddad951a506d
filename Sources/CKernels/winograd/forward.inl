// Products at all points, and their transform to outputs.

/// One tile's outputs in one vector of columns.
CK_INLINE void transform_output_tile(const long m, const ck_winograd_problem *p, tile_place at, long column,
                                     const float *products, long point_step) {
  const long extent = m + 2, line_step = p->output.width * p->y_pixel;
  const long y = at.row * m, x = at.column * m;
  const long rows = at_most(m, p->output.height - y), columns = at_most(m, p->output.width - x);
  vf half[CK_WINOGRAD_MOST * CK_WINOGRAD_MOST];
  for (long j = 0; j < extent; j++) {
    vf line[CK_WINOGRAD_MOST];
#pragma clang loop unroll(full)
    for (long i = 0; i < extent; i++) line[i] = vload(products + (i * extent + j) * point_step);
    transform_output_axis(m, line, 1, half + j, extent);
  }
  for (long i = 0; i < rows; i++) {
    vf line[CK_WINOGRAD_MOST];
    transform_output_axis(m, half + i * extent, 1, line, 1);
    const long place = (at.image * p->output.height + y + i) * line_step + x * p->y_pixel + column;
    for (long j = 0; j < columns; j++) {
      const long offset = place + j * p->y_pixel;
      store_part(p->y + offset, finish_vector(&p->epilogue, line[j], offset, column), p->columns - column);
    }
  }
}

CK_INLINE void multiply_winograd(const long m, const ck_winograd_problem *p, long tile, long tile_end, long panel,
                                 long panel_end, const float *patches, long point_step, long group_rows,
                                 float *products) {
  const long points = (m + 2) * (m + 2), tiles = tile_end - tile;
  const long group_size = group_rows * ((p->channels + CK_VW - 1) / CK_VW * CK_VW);
  const long groups = (tiles + group_rows - 1) / group_rows;
  const long product_step = groups * group_rows * CK_TILE_COLUMNS + CK_POINT_GAP;
  const long panel_step = points * (p->channels * CK_TILE_COLUMNS + CK_POINT_GAP);
  for (long point = 0; point < points; point++)
    for (long j = panel; j < panel_end; j++) {
      const long vectors = panel_vectors(p->columns, j), length = p->channels * vectors * CK_VW;
      const float *weights = p->weights + panel_step * j + point * (length + CK_POINT_GAP);
      // The groups of tiles share these weights and fetch the next ones between them.
      const float *next = j + 1 < panel_end
                              ? weights + panel_step
                              : p->weights + panel_step * panel +
                                    (point + 1) * (p->channels * panel_vectors(p->columns, panel) * CK_VW + CK_POINT_GAP);
      prefetching ahead = {(const char *)next, vectors * CK_VW * (long)sizeof(float) / groups};
      float *to = products + ((j - panel) * points + point) * product_step;
      const float *from = patches + point * point_step;
      for (long row = 0; row < tiles; row += group_rows, from += group_size) {
        const long rows = at_most(group_rows, tiles - row);
        blocked_tiles[tile_index(rows)][vectors - 1](from, weights, p->channels, to + row * vectors * CK_VW, ahead);
        ahead.at += p->channels * ahead.step;
      }
    }
  for (long t = 0; t < tiles; t++) {
    const tile_place at = place_of_tile(p, tile + t);
    for (long j = panel; j < panel_end; j++) {
      const long vectors = panel_vectors(p->columns, j);
      for (long v = 0; v < vectors; v++)
        transform_output_tile(m, p, at, j * CK_TILE_COLUMNS + v * CK_VW,
                              products + (j - panel) * points * product_step + (t * vectors + v) * CK_VW, product_step);
    }
  }
}
