import Graph
import Kernels

/// A channels-last tensor whose positions are `pixel` floats apart: as many as its channels, or more where it is a
/// slice of a wider one.
struct ChannelSlice {
  var value: Int
  var pixel: Int
}

/// Where a concatenation of channels wants one of its inputs.
struct Joint {
  var result: Graph.ValueID
  var channel: Int
}

extension Lowering {
  /// A value for a kernel that can read slices.
  mutating func sliceInput(_ id: Graph.ValueID) -> ChannelSlice {
    if !has(id, .channelsLast), let slice = slices[id] { return slice }
    return ChannelSlice(value: value(id, .channelsLast), pixel: shape(id)[1])
  }

  /// The buffer of an output of the current node, whose kernel can write slices.
  mutating func sliceOutput(_ id: Graph.ValueID) -> ChannelSlice {
    guard let joint = joints[id] else {
      return ChannelSlice(value: output(id, .channelsLast), pixel: shape(id)[1])
    }
    let slice = slice(of: joint.result, from: joint.channel, type(id))
    slices[id] = slice
    return slice
  }

  /// The channels from `channel` on of what a concatenation joins.
  private mutating func slice(of result: Graph.ValueID, from channel: Int, _ type: TensorType) -> ChannelSlice {
    if let outer = joints[result] { return slice(of: outer.result, from: outer.channel + channel, type) }
    let buffer = jointBuffers[result] ?? temporary(self.type(result))
    jointBuffers[result] = buffer
    return ChannelSlice(value: slice(of: buffer, type, channel: channel), pixel: shape(result)[1])
  }

  /// What slices of channels, all readers of a value, cut it into, in order; nil where there is anything else.
  func channelParts(of value: Graph.ValueID) -> [Graph.ValueID]? {
    guard options.fuses, shape(value).rank > 2, !graph.outputs.contains(where: { $0.value == value }) else {
      return nil
    }
    var parts: [(start: Int, id: Graph.ValueID)] = []
    for node in graph.nodes where node.inputs.contains(value) {
      guard case .slice(let attributes) = node.operation, attributes.takesChannels(of: shape(value)) else { return nil }
      parts.append((attributes.starts[1], node.outputs[0]))
    }
    parts.sort { $0.start < $1.start }
    var channel = 0
    for part in parts {
      guard part.start == channel else { return nil }
      channel += shape(part.id)[1]
    }
    return parts.count > 1 && channel == shape(value)[1] ? parts.map(\.id) : nil
  }

  /// A slice of channels as it lies in its source, where all readers can read it there.
  mutating func channelView(_ attributes: SliceAttributes, _ node: Graph.Node) -> ChannelSlice? {
    let (source, result) = (node.inputs[0], node.outputs[0])
    guard options.fuses, attributes.takesChannels(of: shape(source)), shape(source).rank > 2,
      type(source).dtype == .float32,
      commonLayout([source]) == .channelsLast, !Layout.coincide(shape(source)), !Layout.coincide(shape(result)),
      !graph.outputs.contains(where: { $0.value == result }),
      graph.nodes.allSatisfy({ !$0.inputs.contains(result) || $0.readsSlice(result) })
    else { return nil }
    let whole = sliceInput(source)
    let base = values[whole.value].base
    guard values[base].origin == .computed, !values[base].isPrepared else { return nil }
    return ChannelSlice(
      value: slice(of: whole.value, type(result), channel: attributes.starts[1]), pixel: whole.pixel)
  }

  /// Makes a dense copy of a slice, for a kernel that cannot read it.
  mutating func copySlice(_ slice: ChannelSlice, of id: Graph.ValueID) {
    let copy = temporary(type(id))
    emitCopy(of: slice, id, to: ChannelSlice(value: copy, pixel: shape(id)[1]), "copy_slice")
    set(id, copy, .channelsLast)
  }

  private mutating func emitCopy(
    of source: ChannelSlice, _ id: Graph.ValueID, to target: ChannelSlice, _ kernel: String
  ) {
    let channels = shape(id)[1]
    let extents = [shape(id).elementCount / max(1, channels), channels]
    emit(kernel, inputs: [source.value], outputs: [target.value]) { call in
      CopyKernel.strided(
        from: call.input(0), [source.pixel, 1], to: call.output(), [target.pixel, 1], extents: extents, pool: call.pool)
    }
  }

  mutating func concatenate(_ axis: Int, _ node: Graph.Node) {
    let joined = node.outputs[0]
    if joinsForNorms[joined.index] {
      pieces[joined] = node.inputs.flatMap { pieces[$0] ?? [$0] }
      return
    }
    if joints[joined] != nil || joints.values.contains(where: { $0.result == joined }) { return joinInPlace(node) }
    let layout = commonLayout(node.inputs)
    let result = shape(joined)
    let strides = Shape(layout.physical(result)).strides
    let along = strides[layout.physicalAxis(axis, rank: result.rank)]
    let sources = node.inputs.map { id in
      layout == .channelsLast && shape(id).rank > 2
        ? sliceInput(id) : ChannelSlice(value: value(id, layout), pixel: layout.physical(shape(id)).last ?? 1)
    }
    let shapes = node.inputs.map { layout.physical(shape($0)) }
    let sourceStrides = zip(shapes, sources).map { Shape($0.dropLast() + [$1.pixel]).strides }
    let starts = node.inputs.reduce(into: [0]) { $0.append($0.last! + shape($1)[axis] * along) }
    emit("concatenate", inputs: sources.map(\.value), outputs: [output(joined, layout)]) { call in
      for (index, extents) in shapes.enumerated() {
        CopyKernel.strided(
          from: call.input(index), sourceStrides[index], to: call.output() + starts[index], strides,
          extents: extents, pool: call.pool)
      }
    }
  }

  /// Copies those inputs that do not lie in the joint buffer yet.
  private mutating func joinInPlace(_ node: Graph.Node) {
    let joined = node.outputs[0]
    var channel = 0
    for input in node.inputs {
      let joint = joints[input]
      if joint?.result != joined || joint?.channel != channel {
        let target = slice(of: joined, from: channel, type(input))
        emitCopy(of: sliceInput(input), input, to: target, "concatenate")
      }
      channel += shape(input)[1]
    }
    if joints[joined] == nil {
      set(joined, jointBuffers[joined]!, .channelsLast)
    } else {
      slices[joined] = slice(of: joined, from: 0, type(joined))
    }
  }
}

extension Graph {
  /// For values that a concatenation of channels joins, where their kernels can write them without a copy: those of
  /// kernels that write slices, as long as all other readers can read slices.
  func joints(exceptFor joinsForNorms: [Bool]) -> [ValueID: Joint] {
    var readers = [[Node]](repeating: [], count: values.count)
    for node in nodes { for input in node.inputs { readers[input.index].append(node) } }
    let seen = Set(outputs.map(\.value))
    var joints: [ValueID: Joint] = [:]
    for node in nodes {
      guard case .concatenate(axis: 1) = node.operation, shape(of: node.outputs[0]).rank > 2,
        !joinsForNorms[node.outputs[0].index], self[node.outputs[0]].type.dtype == .float32
      else { continue }
      var (channel, count) = (0, 0)
      var found: [ValueID: Joint] = [:]
      for input in node.inputs {
        let canLieThere =
          joints[input] == nil && found[input] == nil && !seen.contains(input)
          && (producer(of: input).map(writesSlices) ?? false)
          && readers[input.index].allSatisfy { $0.readsSlice(input) }
        if canLieThere {
          found[input] = Joint(result: node.outputs[0], channel: channel)
          count += shape(of: input)[1]
        }
        channel += shape(of: input)[1]
      }
      // Most of the result is channels last already.
      if 2 * count >= channel { joints.merge(found) { $1 } }
    }
    return joints
  }

  /// For each value, whether it joins tensors along their channels for inference batch norms alone, directly or through
  /// further such joins (dense blocks): the norms can then read the pieces and join their results, and the value never
  /// exists.
  func joinsForNorms() -> [Bool] {
    var readers = [[Node]](repeating: [], count: values.count)
    for node in nodes { for input in node.inputs { readers[input.index].append(node) } }
    let seen = Set(outputs.map(\.value))
    var joins = [Bool](repeating: false, count: values.count)
    for node in nodes.reversed() {
      let result = node.outputs[0]
      guard case .concatenate(axis: 1) = node.operation, !seen.contains(result), !readers[result.index].isEmpty
      else { continue }
      joins[result.index] = readers[result.index].allSatisfy { reader in
        switch reader.operation {
        case .batchNorm: reader.inputs[0] == result && !reader.inputs.dropFirst().contains(result)
        case .concatenate: joins[reader.outputs[0].index]
        default: false
        }
      }
    }
    return joins
  }
}

extension Graph {
  /// Whether the node's kernel can write its output as a slice. A residual must lie as the output does, and convolutions
  /// that apply a batch norm to what they read write whole tensors.
  private func writesSlices(_ node: Node) -> Bool {
    switch node.operation {
    case .conv(let attributes), .convTransposed(let attributes, _):
      if case .batchNorm? = producer(of: node.inputs[0])?.operation { return false }
      return attributes.epilogue.inputCount == 0
    case .pool, .batchNormTraining, .concatenate(axis: 1): return true
    default: return false
    }
  }
}

extension Graph.Node {
  /// Whether the kernel can read a slice, and reads the value as nothing else.
  fileprivate func readsSlice(_ value: Graph.ValueID) -> Bool {
    switch operation {
    case .conv, .convTransposed, .pool: inputs[0] == value && !inputs.dropFirst().contains(value)
    case .concatenate(axis: 1): true
    // All others of their inputs are vectors, which are no slices of channels.
    case .batchNormTraining, .batchNormGradient: true
    case .convWeightGradient(let attributes, let weight, _): attributes.groups == 1 || weight[1] > 1
    // Where it reads x, it reads which taps won instead.
    case .poolGradient, .unaryGradient: true
    case .reduce(_, let axes, _): operation.reducesAllButChannels(of: axes.count + 1)
    default: false
    }
  }
}

extension SliceAttributes {
  /// Whether it takes neighbouring channels, with all else.
  fileprivate func takesChannels(of shape: Shape) -> Bool {
    shape.dimensions.indices.allSatisfy { axis in
      steps[axis] == 1 && (axis == 1 || starts[axis] == 0 && counts[axis] == shape[axis])
    }
  }
}
