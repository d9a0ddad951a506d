// The table of this variant's element-wise kernels.
const ck_pointwise_kernels CK_FN(ck_pointwise) = {.vector_width = CK_VW};
