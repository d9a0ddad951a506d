import Formats

extension WeightsFile {
  /// Writes the tensors in the format that the path's extension names: `.safetensors`, or `.npz`, which has no place
  /// for ``metadata``.
  public func write(to path: String) throws(FormatError) {
    switch path.split(separator: ".").last?.lowercased() {
    case "safetensors": try Safetensors.write(tensors, metadata: metadata, to: path)
    case "npz": try NPZ.write(tensors, to: path)
    default:
      throw .cannotWrite(path: path, reason: "weights are written as .safetensors or .npz; end the name in one of them")
    }
  }
}
