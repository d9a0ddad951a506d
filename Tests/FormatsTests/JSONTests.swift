import Formats
import Testing

@Suite struct JSONTests {
  func parse(_ text: String) throws -> JSON { try JSON(parsing: Array(text.utf8)) }

  @Test func values() throws {
    #expect(
      try parse(" [null, true,false ,-12, 0.5e1, \"\\u00fc\\ud83d\\ude00\\n\\/\", {\"a\":{}} ] ")
        == .array([
          .null, .bool(true), .bool(false), .integer(-12), .number(5), .string("ü😀\n/"),
          .object([.init("a", .object([]))]),
        ]))
    #expect(try parse("9223372036854775808") == .number(0x1p63))
  }

  @Test(arguments: [
    "", "[1,]", "{,}", "01", "1.", "-", "+1", "1e", ".5", "nul", "\"", "\"\\x\"", "\"\\u12g4\"", "\"\\udc00\"", "[1 2]",
    "{\"a\" 1}", "{1:2}", "[", "1 1", "1e999", "NaN", "'a'", "\"\\u+123\"",
  ])
  func refuses(text: String) {
    #expect(throws: JSON.Flaw.self) { _ = try parse(text) }
  }

  @Test func invalidUTF8() {
    #expect(throws: JSON.Flaw.self) { _ = try JSON(parsing: [0x22, 0xC0, 0x80, 0x22]) }
  }

  @Test func writesWhatItReads() throws {
    let text = #"{"b":[1,-2.5,"q\"\\\n\u000bü",true,null],"a":{}}"#
    var written: [UInt8] = []
    try parse(text).write(to: &written)
    #expect(String(decoding: written, as: UTF8.self) == text)
  }
}
