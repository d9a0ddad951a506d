import ConvNet
import Formats
import Foundation

/// Prints a document on standard output, members in the order in which they are documented; with `--json` nothing else
/// is printed there.
func printJSON(_ document: JSON) { print(document.formatted()) }

func printJSON(_ value: some Encodable) throws {
  let encoder = JSONEncoder()
  encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
  print(String(decoding: try encoder.encode(value), as: UTF8.self))
}
