import Formats
import Runtime
import Testing

@Suite struct NPYTests {
  static let cube = 0..<24

  @Test(arguments: ["f4.npy", "fortran.npy", "f2.npy", "version2.npy", "version3.npy"])
  func readsFloats(name: String) throws {
    let tensor = try NPY.read(fixture(name))
    #expect(tensor.shape == [2, 3, 4])
    #expect(tensor.scalars() == Self.cube.map(Float.init))
  }

  @Test func readsTheOtherTypes() throws {
    #expect(try NPY.read(fixture("f8.npy")).scalars() == Self.cube.map(Double.init))
    #expect(try NPY.read(fixture("i4.npy")).scalars() == Self.cube.map(Int32.init))
    #expect(try NPY.read(fixture("i8.npy")).scalars() == Self.cube.map(Int64.init))
    #expect(try NPY.read(fixture("u1.npy")).scalars() == Self.cube.map(UInt8.init))
    #expect(try NPY.read(fixture("b1.npy")).scalars() == Self.cube.map { $0 % 3 == 0 })
    #expect(try NPY.read(fixture("vector.npy")).scalars() == [Int32(0), 1, 2])
    #expect(try NPY.read(fixture("scalar.npy")).shape == .scalar)
    #expect(try NPY.read(fixture("scalar.npy")).item() == Float(2.5))
  }

  /// NumPy's own bytes are the reference for the writer.
  @Test(arguments: ["f4.npy", "i8.npy", "u1.npy", "b1.npy", "scalar.npy", "vector.npy"])
  func writesNumPysBytes(name: String) throws {
    let scratch = try Scratch()
    try NPY.write(try NPY.read(fixture(name)), to: scratch.file(name))
    #expect(try bytes(of: scratch.file(name)) == bytes(of: fixture(name)))
  }

  @Test func refusesWhatOnlyCodeCouldRestore() throws {
    #expect(message { _ = try NPY.read(fixture("objects.npy")) }.contains("Python objects"))
    #expect(message { _ = try NPY.read(fixture("records.npy")) }.contains("array of records"))
  }

  @Test func truncatedAndMutatedFilesNeverTrap() throws {
    let scratch = try Scratch()
    var random = RandomStream(seed: 3)
    let spice = Array("0123456789-(),'\"<>|fiub TrueFalse{}L".utf8)
    for name in ["f4.npy", "fortran.npy", "version3.npy", "objects.npy", "records.npy"] {
      let original = try bytes(of: fixture(name))
      for count in original.indices {
        let path = try scratch.write(Array(original[..<count]))
        #expect(throws: FormatError.self) { _ = try NPY.read(path) }
      }
      for _ in 0..<1500 {
        var changed = original
        for _ in 0..<Int.random(in: 1...3, using: &random) {
          changed[Int.random(in: 0..<128, using: &random)] = spice[Int.random(in: 0..<spice.count, using: &random)]
        }
        let path = try scratch.write(changed)
        _ = try? NPY.read(path)
      }
    }
  }

  @Test(arguments: [
    ("{'descr': '<f4', 'fortran_order': False, 'shape': (4294967296, 4294967296, 4), }", "lacks a shape"),
    ("{'descr': '<f4', 'fortran_order': True, 'shape': (9223372036854775807, 0), }", "lacks a shape"),
    (
      "{'descr': '<f4', 'fortran_order': False, 'shape': (1000000,), }", "claims 4000000 bytes of numbers, but it has 4"
    ),
    ("{'descr': '<f4', 'fortran_order': False}", "lacks a shape"),
    ("{'descr': '<f4', 'descr': '<f4'}", "repeated header field \"descr\""),
    ("{'descr': '<c8', 'fortran_order': False, 'shape': ()}", "elements of type \"<c8\""),
    ("{'descr': '<f4', 'fortran_order': False, 'shape': ()} + evil()", "text after"),
    ("import os", "not a Python dictionary"),
  ])
  func hostileHeaders(header: String, expected: String) throws {
    let scratch = try Scratch()
    let length = header.utf8.count
    let path = try scratch.write(
      [0x93] + Array("NUMPY".utf8) + [1, 0, UInt8(length % 256), UInt8(length / 256)] + Array(header.utf8) + [
        0, 0, 0, 0,
      ])
    #expect(message { _ = try NPY.read(path) }.contains(expected))
  }
}
