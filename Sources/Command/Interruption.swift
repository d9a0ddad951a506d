import Foundation
import Synchronization

/// Ctrl-C and SIGTERM as a question that long work asks itself; a second one ends the program at once.
final class Interruption: Sendable {
  private static let requests = Atomic<Int>(0)

  init() {
    for signal in [SIGINT, SIGTERM] {
      Foundation.signal(signal) { _ in
        if Interruption.requests.wrappingAdd(1, ordering: .relaxed).newValue > 1 { _exit(130) }
      }
    }
  }

  var isRequested: Bool { Self.requests.load(ordering: .relaxed) > 0 }
}
