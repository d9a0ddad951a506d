// The table of this variant's element-wise kernels.
#include "loops.inl"
#include "vectormath.inl"
#include "map.inl"
#include "zip.inl"
#include "copy.inl"
#include "reduce.inl"
#include "normalize.inl"
#include "standardize.inl"
#include "pool.inl"
#include "pool_backward.inl"
#include "softmax.inl"
#include "random.inl"
#include "optimizer.inl"

const ck_pointwise_kernels CK_FN(ck_pointwise) = {
    .vector_width = CK_VW,
    .map = map,
    .map_backward = map_backward,
    .zip = zip,
    .accumulate = accumulate,
    .fill = fill,
    .resample = resample,
    .transpose = transpose,
    .reduce = reduce,
    .reduce_columns = reduce_columns,
    .all_finite = all_finite,
    .max_pool = max_pool,
    .average_pool = average_pool,
    .pool_backward = pool_backward,
    .mask_bits = mask_bits,
    .moments = moments,
    .normalize = normalize,
    .standardized_count = CK_STANDARDIZED_COUNT,
    .standardize_rows = standardize_rows,
    .normalize_sums = normalize_sums,
    .normalize_backward = normalize_backward,
    .softmax = softmax,
    .softmax_backward = softmax_backward,
    .cross_entropy = cross_entropy,
    .cross_entropy_backward = cross_entropy_backward,
    .cross_entropy_narrow = cross_entropy_narrow,
    .cross_entropy_backward_narrow = cross_entropy_backward_narrow,
    .dropout = dropout,
    .sgd = sgd,
    .adam = adam,
};
