import Formats
import Foundation
import Testing

@Suite struct AtomicFileTests {
  func names(in scratch: Scratch) throws -> [String] {
    try FileManager.default.contentsOfDirectory(atPath: scratch.path).sorted()
  }

  @Test func replacesAndLeavesNothingBehind() throws {
    let scratch = try Scratch()
    try AtomicFile.write("old", to: scratch.file("note"))
    try AtomicFile.write("new", to: scratch.file("note"))
    #expect(try bytes(of: scratch.file("note")) == Array("new".utf8))
    #expect(try names(in: scratch) == ["note"])
  }

  @Test func aFailureKeepsTheOldFile() throws {
    let scratch = try Scratch()
    let path = scratch.file("note")
    try AtomicFile.write("old", to: path)
    #expect(throws: FormatError.cannotWrite(path: path, reason: "stopped")) {
      try AtomicFile.write(to: path) { writer throws(FormatError) in
        try writer.write([1, 2, 3])
        throw .cannotWrite(path: path, reason: "stopped")
      }
    }
    #expect(try bytes(of: path) == Array("old".utf8))
    #expect(try names(in: scratch) == ["note"])
  }

  @Test func saysWhy() throws {
    let scratch = try Scratch()
    let path = scratch.file("no/such/folder/note")
    #expect(message { try AtomicFile.write("x", to: path) } == "\(path): cannot be written: No such file or directory")
    // A folder is in the way: the rename fails, and the temporary file goes.
    let folder = scratch.file("folder")
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: false)
    #expect(message { try AtomicFile.write("x", to: folder) }.contains("Is a directory"))
    #expect(try names(in: scratch) == ["folder"])
  }

  #if os(Linux)
    @Test func aFullDiskIsReported() throws {
      let descriptor = open("/dev/full", O_WRONLY)
      defer { close(descriptor) }
      let writer = AtomicFile.Writer(path: "model", descriptor: descriptor)
      #expect(message { try writer.write([1]) } == "model: cannot be written: No space left on device")
    }
  #endif
}
