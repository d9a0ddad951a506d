// The table of this variant's matrix and convolution kernels.
const ck_convolution_kernels CK_FN(ck_convolution) = {.tile_rows = 1, .tile_columns = CK_VW};
