/// What can be wrong with a file of weights or arrays. Each description is one line that names the file.
public enum FormatError: Error, Hashable, Sendable, CustomStringConvertible {
  /// The file cannot be opened or read.
  case cannotRead(path: String, reason: String)
  /// The file cannot be written; what lay at the path before is untouched.
  case cannotWrite(path: String, reason: String)
  /// The file breaks the rules of its format.
  case malformed(path: String, reason: String)
  /// The file is well formed but holds something that this reader does not take.
  case unsupported(path: String, reason: String)
  /// The bytes are not those that were written.
  case damaged(path: String, part: String)
  /// A pickle that would call something else than PyTorch's constructors of tensors.
  case refused(path: String, call: String)
  /// There is no tensor of that name.
  case missingTensor(path: String, name: String, nearest: [String])

  public var description: String {
    switch self {
    case .cannotRead(let path, let reason): "\(path): cannot be read: \(reason)"
    case .cannotWrite(let path, let reason): "\(path): cannot be written: \(reason)"
    case .malformed(let path, let reason): "\(path): malformed: \(reason)"
    case .unsupported(let path, let reason): "\(path): not supported: \(reason)"
    case .damaged(let path, let part):
      "\(path): damaged: the checksum of \(part) does not match; restore the file from a copy"
    case .refused(let path, let call):
      "\(path): refused: opening it in Python would call \(call), and weights need no code; "
        + "ask for the weights alone, as torch.save(model.state_dict(), ...) or safetensors write them"
    case .missingTensor(let path, let name, let nearest):
      "\(path): has no tensor \(quoted(name))"
        + (nearest.isEmpty ? "" : "; nearest: \(nearest.map(quoted).joined(separator: ", "))")
    }
  }
}

/// A name from a file as it may stand in a message: one line, of bounded length.
package func quoted(_ name: String) -> String {
  name.count <= 80 ? name.debugDescription : String(name.prefix(77)).debugDescription + "..."
}
