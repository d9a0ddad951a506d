import ArgumentParser
import ConvNet
import Formats

struct InspectCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "inspect", abstract: "List the tensors of a file of weights, without loading them.",
    discussion:
      "Reads safetensors, PyTorch's .pth and .pt, NumPy's .npz and .npy, and ONNX. Nothing in the file is run.")

  @Argument(help: "A file of weights.") var file: String
  @Flag(help: "Print JSON.") var json = false

  func run() throws {
    let listing = try WeightsListing(of: file)
    if json { printJSON(document(listing)) } else { show(listing) }
  }

  private func document(_ listing: WeightsListing) -> JSON {
    [
      "file": .string(file), "format": .string(listing.format),
      "metadata": .object(listing.metadata.sorted { $0.key < $1.key }.map { .init($0.key, .string($0.value)) }),
      "tensors": .array(
        listing.tensors.map { tensor in
          [
            "name": .string(tensor.name), "type": .string(tensor.elementType), "shape": JSON(tensor.shape.dimensions),
            "bytes": .integer(tensor.byteCount),
          ]
        }),
    ]
  }

  private func show(_ listing: WeightsListing) {
    var table = TextTable([("tensor", .left), ("type", .left), ("shape", .left), ("bytes", .right)])
    for tensor in listing.tensors {
      table.append([tensor.name, tensor.elementType, "\(tensor.shape)", tensor.byteCount.grouped])
    }
    print(table.text)
    for (key, value) in listing.metadata.sorted(by: { $0.key < $1.key }) {
      // The list of checksums and the like would fill the screen.
      print("\(key): \(value.count <= 200 ? value : value.prefix(197) + "...")")
    }
    let numbers = listing.tensors.reduce(0) { $0 + $1.shape.elementCount }
    let bytes = listing.tensors.reduce(0) { $0 + $1.byteCount }
    print("\(listing.format): \(listing.tensors.count) tensors, \(numbers.grouped) numbers, \(bytes.grouped) bytes")
  }
}
