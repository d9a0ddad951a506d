import Graph
import Kernels

extension Operation {
  /// The kernel rule: emits the kernel calls that compute a node.
  func lower(_ node: Graph.Node, in lowering: inout Lowering) throws(ShapeError) {
    for id in node.inputs + node.outputs where lowering.type(id).dtype == .float64 {
      throw ShapeError(message: "\(name): plans compute in float32; run float64 tensors eagerly", path: node.name)
    }
    switch self {
    case .conv(let attributes): lowering.conv(attributes, node)
    case .convTransposed(let attributes, _): lowering.convTransposed(attributes, node)
    case .convWeightGradient(let attributes, _, _): lowering.convWeightGradient(attributes, node)
    case .linear(let hasBias, let epilogue): lowering.linear(hasBias: hasBias, epilogue, node)
    case .matmul(let transposesA, let transposesB, let epilogue):
      lowering.matmul(transposesA, transposesB, epilogue, node)
    case .pool(let attributes): lowering.pool(attributes, node)
    case .poolGradient(let attributes, _, let epilogue): lowering.poolGradient(attributes, epilogue, node)
    case .batchNorm(let epsilon, let activation): lowering.batchNorm(epsilon, activation, node)
    case .batchNormTraining(let epsilon, let momentum, let epilogue):
      lowering.batchNormTraining(epsilon, momentum, epilogue, node)
    case .maxPoolIndices(let attributes): lowering.maxPoolIndices(attributes, node)
    case .standardize(let axis, let epsilon): lowering.standardize(axis, epsilon, node)
    case .standardizeGradient(let axis): lowering.standardizeGradient(axis, node)
    case .choose: lowering.choose(node)
    case .argmax(let axis): lowering.argmax(axis, node)
    case .resample(let resampling):
      lowering.resample(resampling.axisMaps(for: lowering.shape(node.inputs[0])), node)
    case .resampleGradient(let resampling, let input):
      lowering.resample(resampling.axisMaps(for: input).map { $0?.transposed }, node)
    case .gatherElements(let axis): lowering.gatherElements(axis, node)
    case .scatterElements(let axis, let extent): lowering.scatterElements(axis, extent, node)
    case .batchNormGradient(let attributes): lowering.batchNormGradient(attributes, node)
    case .unary(let function): lowering.unary(function, node)
    case .unaryGradient(let function): lowering.unaryGradient(function, node)
    case .binary(let function): lowering.binary(function, node)
    case .dropout(let rate, let stream): lowering.dropout(rate, stream, node)
    case .cast(let dtype): lowering.cast(dtype, node)
    case .reduce(let reduction, let axes, let keepsDimensions):
      lowering.reduce(reduction, axes, keepsDimensions, node)
    case .softmax(let axis): lowering.softmax(axis, isLog: false, node)
    case .logSoftmax(let axis): lowering.softmax(axis, isLog: true, node)
    case .softmaxGradient(let axis, let isLog): lowering.softmaxGradient(axis, isLog, node)
    case .crossEntropy(let smoothing, let isWeighted): lowering.crossEntropy(smoothing, isWeighted, node)
    case .crossEntropyGradient(let smoothing, let isWeighted):
      lowering.crossEntropyGradient(smoothing, isWeighted, node)
    case .reshape: lowering.alias(node.outputs[0], of: lowering.value(node.inputs[0], .rowMajor))
    case .transpose(let permutation): lowering.transpose(permutation, node)
    case .broadcast: lowering.broadcast(node)
    case .concatenate(let axis): lowering.concatenate(axis, node)
    case .slice(let attributes): lowering.slice(attributes, node)
    case .sliceGradient(let attributes, _): lowering.sliceGradient(attributes, node)
    case .pad(let before, let after, let value): lowering.pad(before, after, value, node)
    case .fill(let value, _, let dtype): try lowering.fill(value, dtype, node)
    case .clipFactor(let maximumNorm): lowering.clipFactor(maximumNorm, node)
    case .sgd, .adam: lowering.update(node)
    }
  }
}
