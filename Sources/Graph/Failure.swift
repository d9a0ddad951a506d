/// Stops the program over a mistake of the programmer, with a text that also shows in release builds (where a plain
/// `precondition` prints nothing). Anything that a file, an image or an argument can cause is thrown instead.
@inline(never)
package func fail(_ message: String, file: StaticString = #fileID, line: UInt = #line) -> Never {
  fatalError(message, file: file, line: line)
}
