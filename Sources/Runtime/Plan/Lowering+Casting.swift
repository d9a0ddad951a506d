import Graph

extension Lowering {
  mutating func cast(_ dtype: DType, _ node: Graph.Node) {
    let source = type(node.inputs[0])
    let input = value(node.inputs[0], .rowMajor)
    if source.dtype == dtype { return alias(node.outputs[0], of: input) }
    let count = source.shape.elementCount
    emit("cast", inputs: [input], outputs: [output(node.outputs[0], .rowMajor)]) { call in
      CastKernel.apply(call, from: source.dtype, to: dtype, count: count)
    }
  }
}

/// Conversion between element types as in PyTorch: floating point to integers rounds towards zero (and saturates),
/// integers to narrower ones keep the low bits, and everything but zero is true.
private enum CastKernel {
  static func apply(_ call: borrowing Invocation, from source: DType, to target: DType, count: Int) {
    switch source {
    case .float32: fromNumbers(call.input(0), call, to: target, count)
    case .float64: fromNumbers(call.input(0, as: Double.self), call, to: target, count)
    case .int32: fromIntegers(call.input(0, as: Int32.self), call, to: target, count)
    case .int64: fromIntegers(call.input(0, as: Int64.self), call, to: target, count)
    case .uint8: fromIntegers(call.input(0, as: UInt8.self), call, to: target, count)
    // Any byte but 0 is true.
    case .bool: fromIntegers(call.input(0, as: UInt8.self), call, to: target, count)
    }
  }

  private static func fromNumbers<Source: ReferenceElement>(
    _ x: UnsafePointer<Source>, _ call: borrowing Invocation, to target: DType, _ count: Int
  ) {
    func store<Target: ReferenceElement>(_ y: UnsafeMutablePointer<Target>) {
      for index in 0..<count { y[index] = Target(number: x[index].number) }
    }
    switch target {
    case .float32: store(call.output())
    case .float64: store(call.output(0, as: Double.self))
    case .int32: store(call.output(0, as: Int32.self))
    case .int64: store(call.output(0, as: Int64.self))
    case .uint8: store(call.output(0, as: UInt8.self))
    case .bool: store(call.output(0, as: Bool.self))
    }
  }

  private static func fromIntegers<Source: FixedWidthInteger>(
    _ x: UnsafePointer<Source>, _ call: borrowing Invocation, to target: DType, _ count: Int
  ) {
    func store<Target>(_ y: UnsafeMutablePointer<Target>, _ convert: (Source) -> Target) {
      for index in 0..<count { y[index] = convert(x[index]) }
    }
    switch target {
    case .float32: store(call.output()) { Float($0) }
    case .float64: store(call.output(0, as: Double.self)) { Double($0) }
    case .int32: store(call.output(0, as: Int32.self)) { Int32(truncatingIfNeeded: $0) }
    case .int64: store(call.output(0, as: Int64.self)) { Int64(truncatingIfNeeded: $0) }
    case .uint8: store(call.output(0, as: UInt8.self)) { UInt8(truncatingIfNeeded: $0) }
    case .bool: store(call.output(0, as: Bool.self)) { $0 != 0 }
    }
  }
}
