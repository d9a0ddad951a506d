import Foundation

/// A failure that the command itself finds: one line with what is wrong, where, and what to do.
struct CommandError: Error, CustomStringConvertible {
  let description: String

  init(_ description: String) { self.description = description }
}

/// An error of any kind in one line.
func oneLine(describing error: any Error) -> String {
  let text =
    switch error {
    case let error as CocoaError: describe(error)
    case is POSIXError: error.localizedDescription
    default: type(of: error) is NSError.Type ? error.localizedDescription : "\(error)"
    }
  return text.split(whereSeparator: \.isNewline).map { $0.trimmingCharacters(in: .whitespaces) }.joined(separator: " ")
}

/// Foundation's own errors leave out the file and the system's reason.
private func describe(_ error: CocoaError) -> String {
  let reason = error.underlying.map {
    ($0 as? POSIXError).map { String(cString: strerror($0.code.rawValue)) } ?? "\($0)"
  }
  return [error.filePath, reason ?? error.localizedDescription].compactMap(\.self).joined(separator: ": ")
}

extension String {
  /// As a shell wants it: in quotes if it holds more than letters, digits and a few signs.
  var shellQuoted: String {
    let isPlain = !isEmpty && allSatisfy { $0.isLetter || $0.isNumber || "._-/+:=@".contains($0) }
    return isPlain ? self : "'" + replacing("'", with: "'\\''") + "'"
  }
}
