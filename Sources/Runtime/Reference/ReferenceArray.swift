internal import Graph

/// The numbers of a tensor while the reference backend computes: row-major, as `Double`.
struct ReferenceArray {
  let shape: Shape
  var values: [Double]

  init(_ shape: Shape, _ values: [Double]) {
    self.shape = shape
    self.values = values
  }

  init(zeros shape: Shape) { self.init(shape, .init(repeating: 0, count: shape.elementCount)) }

  init(_ tensor: Tensor) {
    func numbers<Element: ReferenceElement>(_: Element.Type) -> [Double] {
      tensor.scalars(as: Element.self).map(\.number)
    }
    self.init(tensor.shape, numbers(tensor.dtype.element))
  }

  /// The numbers, each rounded to the nearest of the element type (integers: towards zero).
  func tensor(of dtype: DType) -> Tensor {
    func rounded<Element: ReferenceElement>(_: Element.Type) -> Tensor {
      Tensor(values.map(Element.init(number:)), shape: shape)
    }
    return rounded(dtype.element)
  }

  func map(_ function: (Double) -> Double) -> ReferenceArray { ReferenceArray(shape, values.map(function)) }
}

/// An array seen as `[outer, length, inner]`: what most definitions along one axis need.
struct AxisView {
  let outer, length, inner: Int

  init(_ shape: Shape, axis: Int) {
    outer = shape.dimensions[..<axis].reduce(1, *)
    length = shape[axis]
    inner = shape.dimensions[(axis + 1)...].reduce(1, *)
  }

  func offset(_ outer: Int, _ position: Int, _ inner: Int) -> Int { (outer * length + position) * self.inner + inner }
}

/// Calls `body` with each multi-index below the extents, the last axis fastest.
func forEachIndex(below extents: [Int], _ body: ([Int]) -> Void) {
  if extents.contains(0) { return }
  var index = [Int](repeating: 0, count: extents.count)
  while true {
    body(index)
    var axis = extents.count - 1
    while axis >= 0, index[axis] == extents[axis] - 1 {
      index[axis] = 0
      axis -= 1
    }
    if axis < 0 { return }
    index[axis] += 1
  }
}

extension Shape {
  /// Strides that read this shape as if it were broadcast to `target`: 0 along repeated axes.
  func strides(broadcastTo target: Shape) -> [Int] {
    let (added, own) = (target.rank - rank, strides)
    return (0..<target.rank).map { $0 < added || self[$0 - added] == 1 ? 0 : own[$0 - added] }
  }
}

/// The position in memory of a multi-index.
func offset(_ index: [Int], _ strides: [Int]) -> Int {
  var sum = 0
  for axis in index.indices { sum += index[axis] * strides[axis] }
  return sum
}

// MARK: - Element types

/// An element type, converted to and from `Double`.
protocol ReferenceElement: TensorScalar {
  /// The nearest element; integers round towards zero and saturate, and NaN becomes 0.
  init(number: Double)
  var number: Double { get }
}

extension Float: ReferenceElement {
  init(number: Double) { self.init(number) }
  var number: Double { Double(self) }
}

extension Double: ReferenceElement {
  init(number: Double) { self = number }
  var number: Double { self }
}

extension ReferenceElement where Self: FixedWidthInteger {
  init(number: Double) {
    if number.isNaN {
      self = 0
    } else {
      self = Self(exactly: number.rounded(.towardZero)) ?? (number < 0 ? .min : .max)
    }
  }
  var number: Double { Double(self) }
}

extension Int32: ReferenceElement {}
extension Int64: ReferenceElement {}
extension UInt8: ReferenceElement {}

extension Bool: ReferenceElement {
  init(number: Double) { self = number != 0 }
  var number: Double { self ? 1 : 0 }
}

extension DType {
  var element: any ReferenceElement.Type {
    switch self {
    case .float32: Float.self
    case .float64: Double.self
    case .int32: Int32.self
    case .int64: Int64.self
    case .uint8: UInt8.self
    case .bool: Bool.self
    }
  }
}
