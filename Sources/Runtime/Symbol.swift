package import Graph

/// The value of a graph under construction that a tensor stands for.
package struct Symbol: Sendable {
  package let tracer: Tracer
  package let value: Graph.ValueID
}
