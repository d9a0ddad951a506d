import Foundation
public import Graph
import SwiftProtobuf

/// An event file of TensorBoard: what it shows of one run, appended as it happens.
///
/// A file is a sequence of TFRecords (length, its checksum, payload, its checksum), each an `Event` message
/// (tensorboard/compat/proto/event.proto). Each call of ``append(_:step:time:)`` is one write to the file, so whatever
/// ends the program, TensorBoard reads all that was appended before.
public final class EventFile {
  /// One thing to show at a step.
  public enum Value: Sendable {
    case scalar(tag: String, Float)
    /// The bytes of a PNG file, with its extents and 1, 3 or 4 channels.
    case image(tag: String, png: [UInt8], width: Int, height: Int, channels: Int)
  }

  public let path: String
  private let writer: AtomicFile.Writer

  /// Begins a new file in a folder, which is made if it is not there; TensorBoard reads a folder's files in the order
  /// of their names, and so of their times.
  ///
  /// - Parameter time: seconds since 1970; now unless given.
  public init(folder: String, time: Double = Date().timeIntervalSince1970) throws(FormatError) {
    do {
      try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    } catch {
      throw .cannotWrite(path: folder, reason: "the folder cannot be made")
    }
    let seconds = String(Int(time))
    let stem = "\(folder)/events.out.tfevents.\(String(repeating: "0", count: max(0, 10 - seconds.count)))\(seconds)"
    // Several within a second are numbered.
    var descriptor: Int32 = -1
    var path = ""
    for number in 0..<1000 where descriptor < 0 {
      path = "\(stem).\(number).convnet"
      descriptor = open(path, O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0o666)
      if descriptor < 0 && errno != EEXIST { break }
    }
    if descriptor < 0 { throw .cannotWrite(path: path, reason: systemError()) }
    self.path = path
    writer = AtomicFile.Writer(path: path, descriptor: descriptor)
    try append(.fileVersion("brain.Event:2"), step: 0, time: time)
  }

  deinit { close(writer.descriptor) }

  /// Appends values of one step.
  public func append(
    _ values: [Value], step: Int, time: Double = Date().timeIntervalSince1970
  ) throws(FormatError) {
    var summary = TensorBoardSummary()
    summary.value = values.map(TensorBoardSummary.Value.init)
    try append(.summary(summary), step: step, time: time)
  }

  /// Appends a network's graph.
  public func append(_ graph: Graph, time: Double = Date().timeIntervalSince1970) throws(FormatError) {
    try append(.graphDef(Data(try serialized(TensorBoardGraphDef(graph)))), step: 0, time: time)
  }

  /// Tells TensorBoard that a run goes on from `step` on: what earlier files hold of that and later steps is not shown.
  public func restart(atStep step: Int, time: Double = Date().timeIntervalSince1970) throws(FormatError) {
    var log = TensorBoardSessionLog()
    log.status = .start
    try append(.sessionLog(log), step: step, time: time)
  }

  private func append(_ what: TensorBoardEvent.OneOf_What, step: Int, time: Double) throws(FormatError) {
    var event = TensorBoardEvent()
    event.wallTime = time
    event.step = Int64(step)
    event.what = what
    try writer.write(Self.record(try serialized(event)))
  }

  private func serialized(_ message: some Message) throws(FormatError) -> [UInt8] {
    var options = BinaryEncodingOptions()
    options.useDeterministicOrdering = true
    do {
      return try message.serializedBytes(options: options)
    } catch {
      throw .cannotWrite(path: path, reason: "\(error)")
    }
  }

  /// A TFRecord.
  static func record(_ payload: [UInt8]) -> [UInt8] {
    func littleEndian(_ value: some FixedWidthInteger) -> [UInt8] {
      withUnsafeBytes(of: value.littleEndian) { [UInt8]($0) }
    }
    let length = littleEndian(UInt64(payload.count))
    return length + littleEndian(CRC32C.masked(length)) + payload + littleEndian(CRC32C.masked(payload))
  }
}

extension TensorBoardSummary.Value {
  fileprivate init(_ value: EventFile.Value) {
    switch value {
    case .scalar(let tag, let number):
      self.tag = tag
      simpleValue = number
    case .image(let tag, let png, let width, let height, let channels):
      self.tag = tag
      image.height = Int32(clamping: height)
      image.width = Int32(clamping: width)
      image.colorspace = Int32(clamping: channels)
      image.encodedImageString = Data(png)
    }
  }
}
