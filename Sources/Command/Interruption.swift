import ArgumentParser
import Foundation
import Synchronization

/// Ctrl-C and SIGTERM as a question that long work asks itself; a second one ends the program at once.
final class Interruption: Sendable {
  /// What shells report of a program that Ctrl-C ended.
  static let exitCode = ExitCode(130)

  private static let requests = Atomic<Int>(0)

  init() {
    var signals = sigset_t()
    sigemptyset(&signals)
    for number in [SIGINT, SIGTERM] {
      signal(number) { _ in
        if Interruption.requests.wrappingAdd(1, ordering: .relaxed).newValue > 1 {
          _exit(Interruption.exitCode.rawValue)
        }
      }
      sigaddset(&signals, number)
    }
    // A parent may have started us with the signals blocked.
    pthread_sigmask(SIG_UNBLOCK, &signals, nil)
  }

  var isRequested: Bool { Self.requests.load(ordering: .relaxed) > 0 }
}
