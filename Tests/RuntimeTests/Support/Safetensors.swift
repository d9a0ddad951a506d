import Foundation
import Graph
import Runtime

/// Reads the tensors of a fixture: the safetensors format, as far as our own fixtures use it.
func readSafetensors(_ url: URL) throws -> [String: Tensor] {
  struct Entry: Decodable {
    let dtype: String
    let shape: [Int]
    let data_offsets: [Int]
  }
  let data = try Data(contentsOf: url)
  let headerCount = Int(data[..<8].reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) })
  let header = try JSONDecoder().decode([String: Entry].self, from: data[8..<(8 + headerCount)])
  return header.mapValues { entry in
    let bytes = data[(8 + headerCount + entry.data_offsets[0])..<(8 + headerCount + entry.data_offsets[1])]
    let words = stride(from: bytes.startIndex, to: bytes.endIndex, by: 4).map { start in
      bytes[start..<(start + 4)].reversed().reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
    }
    return entry.dtype == "I32"
      ? Tensor(words.map(Int32.init(bitPattern:)), shape: Shape(entry.shape))
      : Tensor(words.map(Float.init(bitPattern:)), shape: Shape(entry.shape))
  }
}

/// The folder of fixtures beside the tests.
let fixtures = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
  .appendingPathComponent("Fixtures")
