package import Graph

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// What the reference backend cannot compute: shapes that do not fit, a missing input, or a label that is no class.
package struct ReferenceError: Error, Hashable, Sendable, CustomStringConvertible {
  package let description: String
  init(_ description: String) { self.description = description }
}

/// The plain backend that every kernel is compared with: each operation in as few lines as its definition takes.
///
/// All arithmetic is in `Double`; each output is rounded once, to the element type that the operation's shape rule
/// gives. So a graph of `float32` values yields the correctly rounded result of each operation, and a graph of
/// `float64` values is precise enough for a gradient check against finite differences. Results are those of PyTorch.
package enum ReferenceBackend {
  /// Computes one operation on concrete tensors.
  ///
  /// Movement and casts are exact for every element type; other operations compute in `Double`, which holds every
  /// element type but the far end of `int64` exactly.
  package static func apply(_ operation: Operation, _ inputs: [Tensor]) throws(ReferenceError) -> [Tensor] {
    let types: [TensorType]
    do {
      types = try operation.outputTypes(of: inputs.map { TensorType($0.shape, $0.dtype) })
    } catch {
      throw ReferenceError(error.description)
    }
    let x = inputs.map(ReferenceArray.init)
    let output = types[0].shape

    let results: [ReferenceArray]
    switch operation {
    case .conv(let attributes):
      let product = convolution(attributes, x[0], x[1], output: output)
      results = [
        finished(
          product, bias: attributes.hasBias ? x[2] : nil, channelAxis: 1, epilogue: attributes.epilogue, inputs: x)
      ]
    case .convTransposed(let attributes, let output):
      let product = convolutionInputGradient(attributes, dy: x[0], weight: x[1], input: output)
      results = [
        finished(
          product, bias: attributes.hasBias ? x[2] : nil, channelAxis: 1, epilogue: attributes.epilogue, inputs: x)
      ]
    case .convWeightGradient(let attributes, let weight, let sumsGradient):
      let dweight = convolutionWeightGradient(attributes, x: x[0], dy: x[1], weight: weight)
      let axes = [0] + Array(2..<x[1].shape.rank)
      results = [dweight] + (sumsGradient ? [reduce(.sum, x[1], axes: axes, output: [weight[0]])] : [])
    case .linear(let hasBias, let epilogue):
      let product = linear(x[0], weight: x[1], output: output)
      results = [
        finished(
          product, bias: hasBias ? x[2] : nil, channelAxis: output.rank - 1, epilogue: epilogue, inputs: x)
      ]
    case .matmul(let transposesA, let transposesB, let epilogue):
      let product = matrixProduct(x[0], transposesA, x[1], transposesB, output: output)
      results = [finished(product, epilogue: epilogue, inputs: x)]

    case .pool(let attributes): results = [pool(attributes, x[0], output: output)]
    case .poolGradient(let attributes, let input, let epilogue):
      let gradient = poolGradient(attributes, dy: x[0], x: attributes.kind == .max ? x[1] : nil, input: input)
      results = [finished(gradient, epilogue: epilogue, inputs: x)]

    case .batchNorm(let epsilon, let activation):
      let y = normalized(
        x[0], mean: x[3].values, inverseDeviation: x[4].values.map { 1 / ($0 + epsilon).squareRoot() },
        scale: x[1].values, shift: x[2].values)
      results = [activated(y, activation)]
    case .batchNormTraining(let epsilon, let momentum, let epilogue):
      results = batchNormTraining(x, epsilon: epsilon, momentum: momentum, epilogue)
    case .batchNormGradient(let attributes): results = batchNormGradient(x, attributes)

    case .maxPoolIndices(let attributes): results = [maxPoolIndices(attributes, x[0], output: output)]
    case .standardize(let axis, let epsilon): results = standardize(x[0], axis: axis, epsilon: epsilon)
    case .standardizeGradient(let axis):
      results = [standardizeGradient(dy: x[0], y: x[1], inverse: x[2], axis: axis)]
    case .choose:
      results = [
        ReferenceArray(
          output, x[0].values.indices.map { x[0].values[$0] != 0 ? x[1].values[$0] : x[2].values[$0] })
      ]
    case .argmax(let axis): results = [argmax(x[0], axis: axis, output: output)]
    case .resample(let resampling):
      results = [resample(x[0], resampling.axisMaps(for: x[0].shape))]
    case .resampleGradient(let resampling, let input):
      results = [resample(x[0], resampling.axisMaps(for: input).map { $0?.transposed })]
    case .gatherElements(let axis): results = [try gatherElements(x[0], indices: x[1], axis: axis)]
    case .scatterElements(let axis, _): results = [try scatterElements(x[0], indices: x[1], axis: axis, output: output)]
    case .unary(let function): results = [x[0].map(function.value)]
    case .unaryGradient(let function):
      results = [ReferenceArray(output, zip(x[0].values, x[1].values).map { $0 * function.derivative($1) })]
    case .binary(let function): results = [binary(function, x[0], x[1], output: output)]
    case .dropout(let rate, let stream):
      results = [dropout(x[0], key: inputs[1].scalars(as: Int64.self), rate: rate, stream: stream)]
    case .cast(let dtype): return [cast(inputs[0], to: dtype)]

    case .reduce(let reduction, let axes, _): results = [reduce(reduction, x[0], axes: axes, output: output)]
    case .softmax(let axis): results = [logSoftmax(x[0], axis: axis).map(exp)]
    case .logSoftmax(let axis): results = [logSoftmax(x[0], axis: axis)]
    case .softmaxGradient(let axis, let isLog):
      results = [softmaxGradient(dy: x[0], y: x[1], axis: axis, isLog: isLog)]
    case .crossEntropy(let smoothing, let isWeighted):
      let loss = try CrossEntropy(
        logits: x[0], labels: x[1], weights: isWeighted ? x[2] : nil, labelSmoothing: smoothing)
      results = [ReferenceArray(.scalar, [loss.value])]
    case .crossEntropyGradient(let smoothing, let isWeighted):
      let loss = try CrossEntropy(
        logits: x[1], labels: x[2], weights: isWeighted ? x[3] : nil, labelSmoothing: smoothing)
      results = [loss.gradient.map { $0 * x[0].values[0] }]

    case .reshape, .transpose, .broadcast, .concatenate, .slice, .sliceGradient, .pad, .fill:
      return [move(inputs, origins(operation, inputs.map(\.shape), output: output), to: types[0])]

    case .clipFactor(let maximumNorm): results = clipFactor(loss: x[0], gradients: x[1...], maximumNorm)
    case .sgd(let attributes): results = sgd(attributes, x)
    case .adam(let attributes): results = adam(attributes, x)
    }
    return zip(results, types).map { $0.tensor(of: $1.dtype) }
  }

  /// Computes a graph, node after node.
  ///
  /// - Parameter inputs: a tensor for each input, parameter and constant that some node reads.
  /// - Returns: the tensor of every value; `nil` for a source that was not given.
  package static func run(_ graph: Graph, inputs: [Graph.ValueID: Tensor]) throws(ReferenceError) -> [Tensor?] {
    var tensors = [Tensor?](repeating: nil, count: graph.values.count)
    for (id, tensor) in inputs {
      let (given, expected) = (TensorType(tensor.shape, tensor.dtype), graph[id].type)
      if given != expected { throw ReferenceError("value \(id.index) of the graph is \(expected), but got \(given)") }
      tensors[id.index] = tensor
    }
    for node in graph.nodes {
      var arguments: [Tensor] = []
      for input in node.inputs {
        guard let tensor = tensors[input.index] else {
          throw ReferenceError("\(node.name): value \(input.index) of the graph was not given")
        }
        arguments.append(tensor)
      }
      let results: [Tensor]
      do {
        results = try apply(node.operation, arguments)
      } catch {
        throw ReferenceError("\(node.name): \(error)")
      }
      for (id, tensor) in zip(node.outputs, results) { tensors[id.index] = tensor }
    }
    return tensors
  }
}
