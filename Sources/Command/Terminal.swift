import Foundation

/// What the standard streams are connected to.
enum Terminal {
  /// Whether a person sees standard output, not a pipe or a file.
  static let outputIsTerminal = isatty(STDOUT_FILENO) == 1
  /// Whether standard error can show a line that changes.
  static let errorIsTerminal =
    isatty(STDERR_FILENO) == 1 && ProcessInfo.processInfo.environment["TERM"] != "dumb"

  /// Columns of the terminal, or 80 where there is none.
  static var width: Int {
    for stream in [STDERR_FILENO, STDOUT_FILENO] {
      var size = winsize()
      if ioctl(stream, UInt(TIOCGWINSZ), &size) == 0 && size.ws_col > 0 { return Int(size.ws_col) }
    }
    return 80
  }
}

func writeToStandardError(_ text: String) { FileHandle.standardError.write(Data(text.utf8)) }
