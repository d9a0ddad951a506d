import ArgumentParser
import ConvNet

/// `--threads`, for the commands that compute.
struct ThreadOptions: ParsableArguments {
  @Option(help: "Threads to compute on (default: all processors available). Results do not depend on it.")
  var threads: Int?

  func validate() throws {
    if let threads, !(1...1024).contains(threads) {
      throw ValidationError("--threads must be from 1 to 1024, but it is \(threads).")
    }
  }

  /// Takes effect for all work from now on.
  func apply() { if let threads { setThreadCount(threads) } }
}

/// Which differences between a file of weights and a network are meant.
struct WeightOptions: ParsableArguments {
  @Flag(help: "Tensors that the weights' file lacks begin with random numbers.") var allowMissing = false
  @Flag(help: "Leave out tensors of the weights' file that the network has no use for.") var allowUnused = false
  @Flag(help: "The last layer begins with random numbers, whatever the file has for it.") var newHead = false
  @Flag(help: "Adapt the first convolution to images of another number of channels.") var adaptChannels = false

  var allowances: WeightAllowances {
    var all: WeightAllowances = []
    if allowMissing { all.insert(.missing) }
    if allowUnused { all.insert(.unused) }
    if newHead { all.insert(.newHead) }
    if adaptChannels { all.insert(.channels) }
    return all
  }
}

/// The extents of one input, as on the command line: `3x224x224`.
struct InputExtents {
  var channels: Int
  /// One extent for each spatial axis: `[height, width]` of images.
  var imageSize: [Int]

  static let elementLimit = 1 << 28

  /// - Throws: `ValidationError` if the text is not two to four positive numbers of reasonable size.
  init(_ text: String) throws {
    let numbers = text.lowercased().split(separator: "x", omittingEmptySubsequences: false).map { Int($0) ?? 0 }
    guard (2...4).contains(numbers.count), numbers.allSatisfy({ $0 > 0 }) else {
      throw ValidationError(
        "expected channels x height x width, such as 3x224x224 (1x150 for sequences, 3x16x112x112 for video)")
    }
    var elements = 1
    for number in numbers {
      guard number <= Self.elementLimit / elements else {
        throw ValidationError("an input may have at most \(Self.elementLimit.grouped) elements")
      }
      elements *= number
    }
    channels = numbers[0]
    imageSize = Array(numbers[1...])
  }
}
