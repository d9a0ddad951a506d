import ConvNet
import Formats

/// Prints a document on standard output, members in the order in which they are documented; with `--json` nothing else
/// is printed there.
func printJSON(_ document: JSON) { print(document.formatted()) }
