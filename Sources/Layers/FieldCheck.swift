import Synchronization

/// Catches a property that a layer's `fields` forgot: its parameters would silently be neither trained nor saved.
enum FieldCheck {
  private static let checked = Mutex<Set<ObjectIdentifier>>([])

  /// Compares, once for each type, the number of rows with the number of properties that can hold parameters.
  static func check<Value>(_ value: Value, fieldCount: Int) {
    guard checked.withLock({ $0.insert(ObjectIdentifier(Value.self)).inserted }) else { return }
    let owners = Mirror(reflecting: value).children.filter { holdsParameters(type(of: $0.value)) }
    if owners.count != fieldCount {
      let names = owners.compactMap(\.label).joined(separator: ", ")
      fail("\(Value.self).fields has \(fieldCount) rows, but \(owners.count) properties hold parameters: \(names)")
    }
  }

  private static func holdsParameters(_ type: Any.Type) -> Bool {
    type is Tensor.Type || type is any Module.Type || (type as? any ParameterContainer.Type)?.holdsParameters == true
  }

  fileprivate protocol ParameterContainer { static var holdsParameters: Bool { get } }
}

extension Optional: FieldCheck.ParameterContainer {
  fileprivate static var holdsParameters: Bool { Wrapped.self is Tensor.Type || Wrapped.self is any Module.Type }
}

extension Array: FieldCheck.ParameterContainer {
  fileprivate static var holdsParameters: Bool { Element.self is Tensor.Type || Element.self is any Module.Type }
}
