import Formats
import Foundation
import Layers
import Models
import SwiftProtobuf
import Testing

/// Files that ask for what no operator can do: each gets an error, whatever it asks for, and nothing traps, hangs or
/// takes memory without limit.
@Suite struct ONNXHostileTests {
  private static let huge = Int64.max

  /// A node on `x` of a shape, with constants as further inputs.
  struct Case: Sendable, CustomTestStringConvertible {
    var node: ONNXNodeProto
    var constants: [ONNXTensorProto]
    var shape: Shape
    var version: Int64

    init(
      _ operation: String, _ attributes: [ONNXAttributeProto] = [], _ constants: [ONNXTensorProto] = [],
      x shape: Shape = [1, 4, 5, 5], version: Int64 = 18, outputs: [String] = ["y"]
    ) {
      self.constants = constants.enumerated().map { index, tensor in
        var tensor = tensor
        tensor.name = "c\(index)"
        return tensor
      }
      node = ONNXNodeProto(operation, ["x"] + self.constants.map(\.name), attributes, outputs: outputs)
      (self.shape, self.version) = (shape, version)
    }

    var testDescription: String {
      let attributes = node.attribute.map { "\($0.name) \($0.ints)\($0.i)" }.joined(separator: ", ")
      let constants = constants.map { "\($0.dims) \($0.int64Data.prefix(4))\($0.floatData.prefix(4))" }
      return "\(node.opType) \(attributes) \(constants.joined(separator: ", "))"
    }
  }

  private static func integers(_ values: Int64...) -> ONNXTensorProto { .init("", [Int64(values.count)], values) }
  private static func numbers(_ values: Float...) -> ONNXTensorProto { .init("", [Int64(values.count)], values) }
  private static func number(_ value: Float) -> ONNXTensorProto { .init("", [], [value]) }

  // MARK: Windows

  private static let lists: [(name: String, values: [[Int64]])] = [
    ("strides", [[0, 1], [1], [], [-1, 1], [1, 1, 1], [huge, huge], [.min, 1]]),
    ("dilations", [[0, 1], [1], [-1, 1], [huge, huge], [1 << 40, 1]]),
    ("pads", [[-1, 0, 0, 0], [0, 0], [huge, 0, 0, huge], [1 << 40, 0, 0, 0]]),
  ]

  private static let windows: [Case] = lists.flatMap { list in
    list.values.flatMap { values -> [Case] in
      let attribute = ONNXAttributeProto(list.name, values)
      let kernel = ONNXAttributeProto("kernel_shape", [2, 2])
      return [
        Case("Conv", [attribute], [.init("", [4, 4, 3, 3])]),
        Case("Conv", [attribute, .init("auto_pad", "SAME_UPPER")], [.init("", [4, 4, 3, 3])]),
        Case("ConvTranspose", [attribute], [.init("", [4, 4, 3, 3])]),
        Case("MaxPool", [attribute, kernel]), Case("AveragePool", [attribute, kernel]),
        Case("LpPool", [attribute, kernel]),
      ]
    }
  }

  private static let kernelShapes: [[Int64]] = [
    [0, 2], [-1, 2], [2], [2, 2, 2], [], [huge, 1], [1 << 40, 1], [9, 9],
  ]
  private static let pools: [Case] = ["MaxPool", "AveragePool", "LpPool"].flatMap { operation -> [Case] in
    kernelShapes.map { Case(operation, [.init("kernel_shape", $0)]) } + [Case(operation)]
  }

  private static let groups: [Case] = ([0, -1, 3, 8, huge, .min] as [Int64]).flatMap { groups -> [Case] in
    ["Conv", "ConvTranspose"].map { Case($0, [.init("group", groups)], [.init("", [4, 4, 3, 3])]) }
  }

  private static let kernels: [Case] = [
    Case("MaxPool", [.init("kernel_shape", [2, 2]), .init("pads", [5, 5, 5, 5])]),
    Case("MaxPool", [.init("kernel_shape", [2, 2])], x: [4]),
    Case("LpPool", [.init("kernel_shape", [2, 2]), .init("p", 0)]),
    Case("LpPool", [.init("kernel_shape", [2, 2]), .init("p", .min)]),
    Case("GlobalLpPool", [.init("p", -2)]), Case("GlobalAveragePool", x: [2, 2]),
    Case("Conv", [], [.init("", [4, 4, 0, 3])]), Case("Conv", [], [.init("", [4, 4, 9, 9])]),
    Case("Conv", [], [.init("", [4])]), Case("Conv", [], [.init("", [0, 4, 3, 3])], x: [1, 4, 2, 2]),
    Case("ConvTranspose", [.init("output_padding", [-1, 0])], [.init("", [4, 4, 3, 3])]),
    Case("ConvTranspose", [.init("output_padding", [huge, huge])], [.init("", [4, 4, 3, 3])]),
    Case("ConvTranspose", [.init("output_padding", [2])], [.init("", [4, 4, 3, 3])]),
    Case("ConvTranspose", [.init("output_shape", [0, 0])], [.init("", [4, 4, 3, 3])]),
    Case("ConvTranspose", [.init("output_shape", [huge, huge])], [.init("", [4, 4, 3, 3])]),
    Case("ConvTranspose", [.init("output_shape", [1 << 23, 1 << 23])], [.init("", [4, 4, 3, 3])]),
    Case("ConvTranspose", [.init("pads", [9, 9, 9, 9])], [.init("", [4, 4, 3, 3])]),
    Case("ConvTranspose", [], [.init("", [4])]),
  ]

  // MARK: Axes and shapes

  private static let axisOperations = [
    "Softmax", "LogSoftmax", "Hardmax", "ArgMax", "ArgMin", "LpNormalization", "Concat", "Split",
  ]
  /// An axis that four axes do not have, and one that five do not have.
  private static let axes: [Case] = ([(4, 5), (-5, -6), (huge, huge), (.min, .min)] as [(Int64, Int64)]).flatMap {
    (axis, of5) -> [Case] in
    axisOperations.map { Case($0, [.init("axis", axis)]) } + [
      Case("LayerNormalization", [.init("axis", axis)], [number(1)]), Case("Flatten", [.init("axis", of5)]),
      Case("Gather", [.init("axis", axis)], [integers(0)]),
      Case("GatherElements", [.init("axis", axis)], [.init("", [1, 1, 1, 1], [0] as [Int64])]),
      Case("Squeeze", [], [integers(axis)]), Case("Unsqueeze", [], [integers(of5)]),
      Case("ReduceSum", [], [integers(axis)]), Case("ReduceL2", [.init("axes", [axis])], version: 13),
      Case("CumSum", [], [integers(axis)]), Case("TopK", [.init("axis", axis)], [integers(1)]),
      Case("OneHot", [.init("axis", of5)], [number(3), numbers(0, 1)]),
    ]
  }

  private static let shapes: [Case] = [
    Case("Transpose", [.init("perm", [0, 0, 1, 2])]), Case("Transpose", [.init("perm", [0, 1, 2])]),
    Case("Transpose", [.init("perm", [0, 1, 2, 4])]), Case("Transpose", [.init("perm", [-1, 0, 1, 2])]),
    Case("Transpose", [.init("perm", [huge, .min, 1, 2])]), Case("Squeeze", [], [integers(1)]),
    Case("Squeeze", [], [integers(0, 0)]), Case("Unsqueeze", [], [integers(0, 0)]), Case("Unsqueeze"),
    Case("Reshape", [], [integers(-1, -1)]), Case("Reshape", [], [integers(-5, 1)]), Case("Reshape", [], [integers(7)]),
    Case("Reshape", [], [integers(huge, huge)]), Case("Reshape", [], [integers(1 << 32, 1 << 32)]),
    Case("Reshape", [], [integers(0, 0, 0, 0, 0)]), Case("Reshape", [], [numbers(1)]), Case("Reshape"),
    Case("Expand", [], [integers(huge, 1, 4, 5, 5)]), Case("Expand", [], [integers(1 << 40, 1, 4, 5, 5)]),
    Case("Expand", [], [integers(-1)]), Case("Expand", [], [integers(3)]),
    Case("Tile", [], [integers(huge, 1, 1, 1)]), Case("Tile", [], [integers(0, 1, 1, 1)]),
    Case("Tile", [], [integers(1 << 20, 1 << 20, 1, 1)]), Case("Tile", [], [integers(2)]),
    Case("Split", [.init("axis", 1), .init("num_outputs", huge)]), Case("Split", [.init("num_outputs", .min)]),
    Case("Split", [.init("axis", 1)], [integers(-1, 5)]), Case("Split", [.init("axis", 1)], [integers(huge, huge)]),
    Case("Slice", [], [integers(0), integers(9), integers(0), integers(0)]),
    Case("Slice", [], [integers(0), integers(9), integers(0), integers(.min)]),
    Case("Slice", [], [integers(0, 0), integers(9)]), Case("Slice", [], [integers(0), integers(1), integers(9)]),
    Case("Slice", [], [integers(0, 0), integers(1, 1), integers(2, 2)]),
    Case("Pad", [], [integers(0, 0, -9, 0, 0, 0, 0, 0)]), Case("Pad", [], [integers(1)]),
    Case("Pad", [], [integers(0, 0, huge, 0, 0, 0, 0, 0)]),
    Case("Pad", [], [integers(0, 0, 1 << 23, 0, 0, 0, 0, 1 << 23)]),
    Case("Pad", [.init("mode", "wrong")], [integers(0, 0, 1, 0, 0, 0, 0, 0)]),
    Case("DepthToSpace", [.init("blocksize", 0)]), Case("DepthToSpace", [.init("blocksize", .min)]),
    Case("DepthToSpace", [.init("blocksize", huge)]), Case("SpaceToDepth", [.init("blocksize", 0)]),
    Case("SpaceToDepth", [.init("blocksize", 3)]), Case("Concat", [.init("axis", 1)], [.init("", [1, 4, 5])]),
    Case("EyeLike"), Case("Trilu", x: [4]),
  ]

  // MARK: Indices and numbers

  private static let indices: [Case] = [
    Case("Gather", [], [integers(1)]), Case("Gather", [], [integers(huge)]), Case("Gather", [], [integers(.min)]),
    Case("Gather", [], [integers(0)], x: []), Case("GatherND", [], [integers(9)]),
    Case("GatherND", [], [integers(0, 0, 0, 0, 0)]), Case("GatherND", [.init("batch_dims", huge)], [integers(0)]),
    Case("GatherND", [.init("batch_dims", -1)], [integers(0)]),
    Case("ScatterND", [], [integers(9), .init("", [4, 5, 5])]), Case("ScatterND", [], [integers(0), .init("", [4])]),
    Case("ScatterElements", [], [.init("", [1, 1, 1, 1], [9] as [Int64]), .init("", [1, 1, 1, 1])]),
    Case(
      "MaxUnpool", [.init("kernel_shape", [2, 2])], [.init("", [1, 4, 5, 5], [Int64](repeating: huge, count: 100))]),
    Case("MaxUnpool", [.init("kernel_shape", [2, 2])], [.init("", [1, 4, 5, 5], [Int64](repeating: -1, count: 100))]),
    Case("TopK", [], [integers(-1)]), Case("TopK", [], [integers(huge)]),
    Case("OneHot", [], [number(.nan), numbers(0, 1)]), Case("OneHot", [], [number(.infinity), numbers(0, 1)]),
    Case("OneHot", [], [number(-1), numbers(0, 1)]), Case("OneHot", [], [number(3), numbers(0)]),
    Case("CumSum", [], [number(.nan)]), Case("CumSum", [], [number(1e30)]),
    Case("Resize", [], [numbers(), numbers(0, 1, 1, 1)]), Case("Resize", [], [numbers(), numbers(.nan, 1, 1, 1)]),
    Case("Resize", [], [numbers(), numbers(1, 1, .infinity, 1)]),
    Case("Resize", [], [numbers(), numbers(1, 1, 1e9, 1e9)]),
    Case("Resize", [], [numbers(), numbers(1, 1, -2, 1)]), Case("Resize", [], [numbers(), numbers(2)]),
    Case("Resize", [], [numbers(), numbers(), integers(1, 4, huge, 1)]),
    Case("Resize", [], [numbers(), numbers(), integers(1, 4, -3, 1)]),
    Case("Resize", [], [numbers(), numbers(), integers(1, 4, 0, 1)]),
    Case("Resize", [.init("mode", "wrong")], [numbers(), numbers(1, 1, 2, 2)]), Case("Resize"),
    Case("LRN", [.init("size", 0)]), Case("LRN", [.init("size", huge)]), Case("LRN", [.init("size", .min)]),
    Case("GroupNormalization", [.init("num_groups", 0)], [.init("", [4]), .init("", [4])]),
    Case("GroupNormalization", [.init("num_groups", 3)], [.init("", [4]), .init("", [4])]),
    Case("GroupNormalization", [.init("num_groups", huge)], [.init("", [4]), .init("", [4])]),
    Case("BatchNormalization", [], (0..<4).map { _ in .init("", [3]) }), Case("BatchNormalization"),
    Case("BatchNormalization", [], (0..<4).map { _ in .init("", [1]) }, x: [5]),
    Case("InstanceNormalization", [], [.init("", [3]), .init("", [3])]), Case("PRelu", [], [.init("", [3])]),
    Case("MatMul", [], [.init("", [4, 5])]), Case("MatMul", [], [number(1)]), Case("Gemm", [], [.init("", [4, 5])]),
    Case("Add", [], [.init("", [3])]), Case("Cast", [.init("to", 99)]), Case("Cast"), Case("Cast", [.init("to", .min)]),
    Case("Range", [], [number(1), number(0)], x: []), Case("Range", [], [number(1e30), number(1e-9)], x: []),
    Case("GridSample", [], [.init("", [1, 2, 2, 3])]), Case("NonMaxSuppression", [], [.init("", [1, 1, 1])]),
    Case("NegativeLogLikelihoodLoss", [], [.init("", [1, 5, 5], [Int64](repeating: 9, count: 25))]),
    Case("Clip", [.init("min", 1)], version: 6), Case("Relu", [], []).with(inputs: []),
  ]

  @Test(arguments: [windows, pools, groups, kernels, axes, shapes, indices].flatMap(\.self))
  func attributesThatCannotBeMetAreErrors(_ hostile: Case) throws {
    let model = try ONNXModel(
      ONNXModelProto(nodes: [hostile.node], initializers: hostile.constants, version: hostile.version))
    let x = Tensor((0..<hostile.shape.elementCount).map { Float($0) }, shape: hostile.shape)
    #expect(throws: ONNXError.self) { try model.run([x]) }
    #expect(throws: (any Error).self) { try model.compile(inputs: [hostile.shape]) }
  }

  /// Numbers that no integer has, sums that no integer holds.
  @Test(arguments: [6, 7, 2, 9] as [Int64]) func castsSaturate(_ type: Int64) throws {
    let model = try ONNXModel(
      ONNXModelProto(nodes: [
        ONNXNodeProto("Cast", ["x"], [.init("to", type)], outputs: ["i"]),
        ONNXNodeProto("Cast", ["i"], [.init("to", 1)]),
      ]))
    let x = Tensor([Float.nan, .infinity, -.infinity, 1e30, -1e30, 5, 0, -1])
    let eager = try model.run([x])[0].scalars(as: Float.self)
    #expect(eager[5] == (type == 9 ? 1 : 5) && eager[6] == 0)
    _ = try model.compile(inputs: [x.shape]).run([x])
  }

  /// Indices that are only known when the model runs.
  @Test(arguments: [2, -3, 1e9, -1e9, .infinity, .nan] as [Float]) func wrongIndicesAreNoTraps(_ index: Float) throws {
    for operation in ["Gather", "GatherElements"] {
      let model = try ONNXModel(
        ONNXModelProto(
          nodes: [
            ONNXNodeProto("Cast", ["x"], [.init("to", 7)], outputs: ["i"]), ONNXNodeProto(operation, ["w", "i"]),
          ], initializers: [ONNXTensorProto("w", [2], [1, 2] as [Float])]))
      let x = Tensor([index])
      // Some casts make 0 of what is no number.
      _ = try? model.run([x])
      _ = try? ONNXSession(model).run([x])
    }
  }

  // MARK: Files

  private func withScratch<Result>(_ body: (String) throws -> Result) throws -> Result {
    let folder = FileManager.default.temporaryDirectory.appending(path: "convnet-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    return try body(folder.path)
  }

  private func refusal(of bytes: [UInt8]) throws -> String {
    try withScratch { folder in
      try Data(bytes).write(to: URL(filePath: "\(folder)/model.onnx"))
      do {
        _ = try ONNXModel(contentsOf: "\(folder)/model.onnx")
        return ""
      } catch let error as FormatError {
        return "\(error)"
      }
    }
  }

  @Test func filesThatAreNoModelsAreRefused() throws {
    let beginnings: [String: [UInt8]] = [
      "it has no graph": [], "a number runs over the end": [0x08], "a field runs over the end": [0x3A, 0x05, 0x0A],
      // A group, which could hide any number of messages.
      "a field of the wire type 3": [0x0B, 0x0C],
      "a number takes more than ten bytes": [0x08] + [UInt8](repeating: 0xFF, count: 12),
      // A graph with a name that is no text.
      "a name is not UTF-8 text": [0x3A, 0x03, 0x12, 0x01, 0xFF],
      "breaks the rules of Protocol Buffers": [0x00, 0x00],
    ]
    for (reason, bytes) in beginnings {
      let text = try refusal(of: bytes)
      #expect(text.contains(reason) && !text.contains("\n"), "\(bytes): \(text)")
    }
  }

  /// Eight megabytes that would be four million nodes.
  @Test func messagesAreCountedBeforeTheyAreRead() throws {
    func varint(_ value: Int) -> [UInt8] {
      value < 0x80 ? [UInt8(value)] : [UInt8(value & 0x7F | 0x80)] + varint(value >> 7)
    }
    func empty(_ tag: UInt8) -> [UInt8] {
      var bytes = [UInt8](repeating: 0, count: 2 * 4_000_001)
      for index in stride(from: 0, to: bytes.count, by: 2) { bytes[index] = tag }
      return bytes
    }
    let (nodes, attributes) = (empty(0x0A), empty(0x2A))
    #expect(try refusal(of: [0x3A] + varint(nodes.count) + nodes).contains("more than 4000000 items"))
    // The same within one node.
    let node = [0x0A] + varint(attributes.count) + attributes
    #expect(try refusal(of: [0x3A] + varint(node.count) + node).contains("more than 4000000 items"))
  }

  @Test func tensorsThatCannotBeAreRefused() throws {
    let tensors: [(dims: [Int64], count: Int)] = [
      ([-1], 1), ([2], 1), ([], 2), ([.max, .max], 1), ([1 << 62, 8], 0), ([0, .max], 0),
      ([Int64](repeating: 1, count: 100), 1), ([0x7FFF_FFFF, 0x7FFF_FFFF], 4),
    ]
    for tensor in tensors {
      var raw = ONNXTensorProto("w", tensor.dims, [Float](repeating: 1, count: tensor.count))
      for isRaw in [false, true] {
        if isRaw {
          raw.floatData = []
          raw.rawData = Data(count: 4 * tensor.count - (tensor.count > 1 ? 1 : 0))
        }
        let model = ONNXModelProto(nodes: [ONNXNodeProto("Add", ["x", "w"])], initializers: [raw])
        let bytes: [UInt8] = try model.serializedBytes()
        #expect(try !refusal(of: bytes).isEmpty, "\(tensor)")
      }
    }
    var strange = ONNXTensorProto("w", [1])
    strange.dataType = .float8E5M2
    let model = ONNXModelProto(nodes: [ONNXNodeProto("Add", ["x", "w"])], initializers: [strange])
    #expect(try refusal(of: model.serializedBytes()).contains("tensor \"w\" has the element type float8E5M2"))
  }

  /// A thousand tensors in the same gigabyte of an external file that takes no space on the disk.
  @Test func externalTensorsAreAddedUp() throws {
    try withScratch { folder in
      let path = "\(folder)/model.onnx"
      #expect(FileManager.default.createFile(atPath: "\(folder)/weights.bin", contents: nil))
      let file = try FileHandle(forWritingTo: URL(filePath: "\(folder)/weights.bin"))
      try file.truncate(atOffset: 1 << 30)
      try file.close()
      let tensors = (0..<10_000).map { ONNXTensorProto("w\($0)", [1 << 28], externalData: "weights.bin") }
      try ONNXModelProto(nodes: [ONNXNodeProto("Add", ["x", "w0"])], initializers: tensors).write(to: path)
      do {
        _ = try ONNXModel(contentsOf: path)
        Issue.record("ten terabytes were read")
      } catch {
        #expect("\(error)".contains("larger than this machine's memory"))
      }
    }
  }
}

extension ONNXHostileTests.Case {
  fileprivate func with(inputs: [String]) -> Self {
    var copy = self
    copy.node.input = inputs
    return copy
  }
}
