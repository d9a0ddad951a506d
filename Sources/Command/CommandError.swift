import Foundation

/// A failure that the command itself finds: one line with what is wrong, where, and what to do.
struct CommandError: Error, CustomStringConvertible {
  let description: String

  init(_ description: String) { self.description = description }
}

/// An error of any kind in one line.
func oneLine(describing error: any Error) -> String {
  // Foundation's own errors describe themselves at length; their localised text is the readable one.
  let isFoundations = error is CocoaError || error is POSIXError || type(of: error) is NSError.Type
  let text = isFoundations ? error.localizedDescription : "\(error)"
  return text.split(whereSeparator: \.isNewline).map { $0.trimmingCharacters(in: .whitespaces) }.joined(separator: " ")
}
