/// The fields of a JSON object that may come from an earlier version: one that is missing leaves its variable as it is,
/// and a key such as `learning_rate` may also be spelled `learningRate`.
package struct JSONFields<Key: CodingKey> {
  private struct Name: CodingKey {
    var stringValue: String
    var intValue: Int? { nil }
    init(stringValue: String) { self.stringValue = stringValue }
    init?(intValue: Int) { nil }
  }

  private let values: KeyedDecodingContainer<Name>

  package init(_ decoder: any Decoder, keyedBy: Key.Type) throws { values = try decoder.container(keyedBy: Name.self) }

  package func read<Value: Decodable>(_ key: Key, into value: inout Value) throws {
    if let found: Value = try find(key) { value = found }
  }

  package func read<Value: Decodable>(_ key: Key, into value: inout Value?) throws {
    if let found: Value = try find(key) { value = found }
  }

  private func find<Value: Decodable>(_ key: Key) throws -> Value? {
    let name = Name(stringValue: key.stringValue)
    let known = values.contains(name) ? name : Name(stringValue: Self.camelCase(key.stringValue))
    return try values.decodeIfPresent(Value.self, forKey: known)
  }

  private static func camelCase(_ name: String) -> String {
    let words = name.split(separator: "_")
    return String(words[0]) + words.dropFirst().map { $0.prefix(1).uppercased() + $0.dropFirst() }.joined()
  }
}
