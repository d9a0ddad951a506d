internal import Graph

/// Where an element of a movement's output comes from.
enum Origin {
  case element(input: Int, offset: Int)
  case constant(Double)
}

extension ReferenceBackend {
  /// The origin of each output element of an operation that moves elements without computing.
  static func origins(_ operation: Operation, _ inputs: [Shape], output: Shape) -> [Origin] {
    var origins: [Origin] = []
    /// For operations whose output index leads to an input index; `nil` leads to `otherwise`.
    func gather(otherwise: Double = 0, _ source: ([Int]) -> [Int]?) {
      forEachIndex(below: output.dimensions) { index in
        origins.append(
          source(index).map { .element(input: 0, offset: offset($0, inputs[0].strides)) } ?? .constant(otherwise))
      }
    }
    switch operation {
    case .reshape: return (0..<output.elementCount).map { .element(input: 0, offset: $0) }
    case .transpose(let permutation):
      gather { index in
        var source = index
        for (axis, from) in permutation.enumerated() { source[from] = index[axis] }
        return source
      }
    case .broadcast:
      let strides = inputs[0].strides(broadcastTo: output)
      forEachIndex(below: output.dimensions) { origins.append(.element(input: 0, offset: offset($0, strides))) }
    case .concatenate(let axis):
      forEachIndex(below: output.dimensions) { index in
        var (input, source) = (0, index)
        while source[axis] >= inputs[input][axis] {
          source[axis] -= inputs[input][axis]
          input += 1
        }
        origins.append(.element(input: input, offset: offset(source, inputs[input].strides)))
      }
    case .slice(let slice):
      gather { index in index.indices.map { slice.starts[$0] + index[$0] * slice.steps[$0] } }
    case .sliceGradient(let slice, _):
      gather { index in
        var source = index
        for axis in index.indices {
          let (quotient, remainder) = (index[axis] - slice.starts[axis]).quotientAndRemainder(
            dividingBy: slice.steps[axis])
          guard remainder == 0, (0..<slice.counts[axis]).contains(quotient) else { return nil }
          source[axis] = quotient
        }
        return source
      }
    case .pad(let before, _, let value):
      gather(otherwise: value) { index in
        let source = index.indices.map { index[$0] - before[$0] }
        return source.indices.allSatisfy { (0..<inputs[0][$0]).contains(source[$0]) } ? source : nil
      }
    case .fill(let value, _, _): return .init(repeating: .constant(value), count: output.elementCount)
    default: fail("\(operation.name) computes; it does not only move elements")
    }
    return origins
  }

  /// Takes each element from its origin, bit by bit.
  static func move(_ inputs: [Tensor], _ origins: [Origin], to type: TensorType) -> Tensor {
    func moved<Element: ReferenceElement>(_: Element.Type) -> Tensor {
      let sources = inputs.map { $0.scalars(as: Element.self) }
      return Tensor(
        origins.map { origin in
          switch origin {
          case .element(let input, let offset): sources[input][offset]
          case .constant(let value): Element(number: value)
          }
        }, shape: type.shape)
    }
    return moved(type.dtype.element)
  }

  /// Conversion as in PyTorch: floating point to integers rounds towards zero (and saturates), integers to narrower
  /// ones keep the low bits, and everything but zero is true.
  static func cast(_ x: Tensor, to dtype: DType) -> Tensor {
    let integers: [Int64]
    switch x.dtype {
    case .float32, .float64: return ReferenceArray(x).tensor(of: dtype)
    case .int32: integers = x.scalars(as: Int32.self).map { Int64($0) }
    case .int64: integers = x.scalars()
    case .uint8: integers = x.scalars(as: UInt8.self).map { Int64($0) }
    case .bool: integers = x.scalars(as: Bool.self).map { $0 ? 1 : 0 }
    }
    return switch dtype {
    case .float32: Tensor(integers.map { Float($0) }, shape: x.shape)
    case .float64: Tensor(integers.map { Double($0) }, shape: x.shape)
    case .int32: Tensor(integers.map { Int32(truncatingIfNeeded: $0) }, shape: x.shape)
    case .int64: Tensor(integers, shape: x.shape)
    case .uint8: Tensor(integers.map { UInt8(truncatingIfNeeded: $0) }, shape: x.shape)
    case .bool: Tensor(integers.map { $0 != 0 }, shape: x.shape)
    }
  }
}
