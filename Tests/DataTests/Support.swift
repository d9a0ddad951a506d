import CZlib
import Data
import Foundation
import Runtime

/// A folder of its own for one test, deleted with it.
final class Scratch {
  let path: String

  init(_ name: String = "convnet") throws {
    // Thousands of mutated files: memory where there is a folder in it, else a disk.
    let memory = "/dev/shm"
    let base = FileManager.default.isWritableFile(atPath: memory) ? memory : NSTemporaryDirectory()
    path = "\(base)/\(name)-\(UUID().uuidString)"
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }

  @discardableResult
  func write(_ bytes: [UInt8], to name: String) throws -> String {
    try Data(bytes).write(to: URL(fileURLWithPath: "\(path)/\(name)"))
    return "\(path)/\(name)"
  }

  @discardableResult
  func writeGzip(_ bytes: [UInt8], to name: String) throws -> String {
    let file = gzopen("\(path)/\(name)", "wb")
    gzwrite(file, bytes, UInt32(bytes.count))
    gzclose(file)
    return "\(path)/\(name)"
  }
}

/// The description of the error that the body throws, or an empty text.
func message(_ body: () throws -> Void) -> String {
  do {
    try body()
    return ""
  } catch { return "\(error)" }
}

/// Examples that tell where they came from: the input is `[index, a random number]`, the target the index.
struct CountingDataset: LabeledDataset {
  struct Broken: Error, Equatable { let index: Int }

  var count: Int
  /// Examples that cannot be read.
  var broken: Set<Int> = []
  /// Numbers in an input.
  var size = 2
  /// How long an example takes, by index.
  var delay: @Sendable (Int) -> Double = { _ in 0 }

  let classNames = ["even", "odd"]
  func label(at index: Int) -> Int { index % 2 }
  func contentHash(at index: Int) -> UInt64 { XXHash64.hash(UInt64(index)) }

  func example(at index: Int, random: RandomStream) throws -> Example {
    if broken.contains(index) { throw Broken(index: index) }
    if delay(index) > 0 { Thread.sleep(forTimeInterval: delay(index)) }
    var random = random
    var input = [Float](repeating: 0, count: size)
    input[0] = Float(index)
    input[1] = random.uniform()
    return Example(input: Tensor(input), target: Tensor(Int32(index)))
  }
}

extension BatchIterator {
  /// The rest of the epoch.
  func rest() throws -> [Batch] {
    var batches: [Batch] = []
    while let batch = try next() { batches.append(batch) }
    return batches
  }
}
