import Formats
import Foundation
import Graph
import Runtime
import Testing

/// Event files against the bytes of the Python package tensorboard (`Fixtures/make_tensorboard.py`).
@Suite struct EventFileTests {
  private func graph() throws -> Graph {
    var graph = Graph()
    let input = graph.addInput("input", TensorType([2, 3, 8, 8]))
    let weight = graph.addParameter("block.conv.weight", TensorType([4, 3, 3, 3]))
    let attributes = ConvAttributes(stride: [1, 1], dilation: [1, 1], paddingBefore: [0, 0], paddingAfter: [0, 0])
    let conv = try graph.append(.conv(attributes), [input, weight])[0]
    let relu = try graph.append(.unary(.relu), [conv], name: "block.relu")[0]
    graph.outputs = [Graph.Output(name: "output", value: relu)]
    return graph
  }

  @Test func bytesEqualTensorBoards() throws {
    let scratch = try Scratch()
    let file = try EventFile(folder: scratch.file("logs/run"), time: 1_700_000_000.5)
    try file.append(try graph(), time: 1_700_000_001)
    try file.append(
      [.scalar(tag: "train/loss", 2.25), .scalar(tag: "train/learning_rate", 1e-3)], step: 1, time: 1_700_000_002.25)
    let png = Array(0..<64 as Range<UInt8>)
    try file.append(
      [.image(tag: "first batch", png: png, width: 300, height: 5, channels: 3)], step: 300, time: 1_700_000_003)
    try file.restart(atStep: 12_345_678_901, time: 1_700_000_004)
    try file.append([.scalar(tag: "é", -0.5)], step: 12_345_678_901, time: 1_700_000_005)
    // While the file is still open: nothing waits in memory.
    #expect(try bytes(of: file.path) == bytes(of: fixture("tensorboard.tfevents")))
    #expect(file.path == scratch.file("logs/run/events.out.tfevents.1700000000.0.convnet"))
  }

  @Test func eachFileIsNew() throws {
    let scratch = try Scratch()
    let first = try EventFile(folder: scratch.path, time: 5)
    let second = try EventFile(folder: scratch.path, time: 5)
    let later = try EventFile(folder: scratch.path, time: 1_700_000_000)
    #expect([first, second, later].map(\.path) == [first, second, later].map(\.path).sorted())
    #expect(Set([first.path, second.path, later.path]).count == 3)
  }

  @Test func errorsNameTheFolder() throws {
    let scratch = try Scratch()
    let path = try scratch.write([1], to: "file")
    #expect(message { _ = try EventFile(folder: path + "/logs") }.contains("\(path)/logs: "))
  }

  /// The check value of the Rocksoft model's catalogue, and those of RFC 3720, B.4.
  @Test func checksums() {
    #expect(CRC32C.checksum("123456789".utf8) == 0xE306_9283)
    #expect(CRC32C.checksum([UInt8](repeating: 0, count: 32)) == 0x8A91_36AA)
    #expect(CRC32C.checksum([UInt8](repeating: 255, count: 32)) == 0x62A8_AB43)
    #expect(CRC32C.checksum(0..<32 as Range<UInt8>) == 0x46DD_794E)
  }
}
