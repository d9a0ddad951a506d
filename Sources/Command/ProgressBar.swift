import ConvNet
import Synchronization

/// How far a long piece of work is, on standard error: one line that is redrawn in a terminal, and elsewhere (logs,
/// pipes) a plain line now and then and one at the end.
struct ProgressBar {
  private let label: String
  private let total: Int
  private let initial: Int
  private let unit: String
  private let isTerminal: Bool
  private let start = ContinuousClock.now
  private var lastShown: ContinuousClock.Instant?
  private var done = 0
  private var secondsLeft: Double?
  private var note = ""

  /// - Parameters:
  ///   - label: in front: `epoch 3/10`.
  ///   - total: units of work, the same as `update(to:)` counts.
  ///   - unit: plural, for the rate: `images`.
  ///   - initial: units that were done before, which the rate does not count.
  init(_ label: String, total: Int, unit: String, initial: Int = 0, isTerminal: Bool = Terminal.errorIsTerminal) {
    self.label = label
    self.total = total
    self.initial = initial
    self.unit = unit
    self.isTerminal = isTerminal
  }

  private var interval: Duration { isTerminal ? .milliseconds(100) : .seconds(10) }

  /// Shows that `done` units are done, unless the last showing was a moment ago.
  ///
  /// - Parameters:
  ///   - secondsLeft: where the units to come take other times than those before.
  ///   - note: extra text behind: `loss 0.412`.
  mutating func update(to done: Int, secondsLeft: Double? = nil, note: String = "") {
    (self.done, self.secondsLeft, self.note) = (done, secondsLeft, note)
    let now = ContinuousClock.now
    // A log gets its first line after one interval: short work leaves the last line only.
    guard now - (lastShown ?? (isTerminal ? start - interval : start)) >= interval else { return }
    lastShown = now
    show(line(elapsed: now - start, isFinal: false), isFinal: false)
  }

  /// Shows the end and leaves it standing.
  mutating func finish(note: String? = nil) {
    if let note { self.note = note }
    show(line(elapsed: ContinuousClock.now - start, isFinal: true), isFinal: true)
  }

  /// Prints a line of text above the bar.
  func print(_ text: String) { writeToStandardError((isTerminal ? "\r\u{1B}[K" : "") + text + "\n") }

  private func show(_ line: String, isFinal: Bool) {
    if isTerminal {
      // One column stays free: a full line would wrap.
      let text = line.prefix(max(10, Terminal.width - 1))
      writeToStandardError("\r\u{1B}[K\(text)" + (isFinal ? "\n" : ""))
    } else {
      writeToStandardError(line + "\n")
    }
  }

  /// The line as it stands after `elapsed`.
  func line(elapsed: Duration, isFinal: Bool) -> String {
    let seconds = elapsed / .seconds(1)
    let share = total > 0 ? min(1, Double(done) / Double(total)) : 1
    var parts = ["\(Int(share * 100))%", "\(done.grouped)/\(total.grouped)"]
    // The first moment says nothing about the rate.
    if (seconds > 0.2 || isFinal) && seconds > 0 && done > initial {
      let rate = Double(done - initial) / seconds
      parts.append("\(Self.text(rate)) \(unit)/s")
      let left = secondsLeft ?? Double(max(0, total - done)) / rate
      parts.append(isFinal ? Self.clock(seconds) : Self.clock(left) + " left")
    }
    if !note.isEmpty { parts.append(note) }
    let numbers = parts.joined(separator: "  ")
    guard isTerminal else { return "\(label)  \(numbers)" }
    // The bar takes what room the numbers leave.
    let length = min(20, Terminal.width - label.count - numbers.count - 7)
    guard length >= 5 else { return "\(label)  \(numbers)" }
    let filled = Int(share * Double(length))
    let bar = String(repeating: "#", count: filled) + String(repeating: ".", count: length - filled)
    return "\(label)  [\(bar)]  \(numbers)"
  }

  /// A rate with about three digits.
  private static func text(_ rate: Double) -> String {
    if rate >= 100 { return Int(min(rate, 1e15).rounded()).grouped }
    let tenths = Int((rate * 10).rounded())
    return "\(tenths / 10).\(tenths % 10)"
  }

  /// `0:07`, `12:34`, `1:02:03`.
  static func clock(_ seconds: Double) -> String {
    let whole = Int(min(max(0, seconds), 1e9).rounded())
    func two(_ number: Int) -> String { number < 10 ? "0\(number)" : "\(number)" }
    let (hours, minutes) = (whole / 3600, whole / 60 % 60)
    return (hours > 0 ? "\(hours):\(two(minutes))" : "\(minutes)") + ":\(two(whole % 60))"
  }
}

extension ProgressBar {
  /// Shows how many files were opened; called from several threads.
  static var opening: @Sendable (Int, Int) -> Void {
    let shown = Mutex<ProgressBar?>(nil)
    return { done, total in
      shown.withLock { bar in
        if bar == nil { bar = ProgressBar("opening images", total: total, unit: "images") }
        bar?.update(to: done)
        if done == total {
          bar?.finish()
          bar = nil
        }
      }
    }
  }
}
