import Graph
package enum ReferenceBackend {
  package static func apply(_ operation: Operation, _ inputs: [Tensor]) throws -> [Tensor] { fatalError() }
}
