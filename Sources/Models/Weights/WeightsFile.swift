import Formats
public import Layers

/// Named tensors from a file of any format that training programs write: safetensors, PyTorch's `.pth` and `.pt` (zip
/// or the older stream) and NumPy's `.npz`. The content decides, not the file's name; nothing in the file is run.
public struct WeightsFile: Sendable {
  public let path: String
  public let format: TensorFormat
  /// By the names of the file. 16-bit floats have become float32.
  public let tensors: [String: Tensor]
  /// Texts beside the tensors, such as those of a safetensors header or a checkpoint's epoch.
  public let metadata: [String: String]

  /// Reads a file.
  ///
  /// - Throws: `FormatError`; `.refused` for a pickle that would call something.
  public init(contentsOf path: String) throws(FormatError) {
    let archive = try openTensors(path)
    self.path = path
    format = archive.format
    metadata = archive.metadata
    tensors = try archive.tensors()
  }
}
