import Foundation
import Inspect

extension SlidingWindow {
  /// More windows than this are not for looking at.
  public static let pictureLimit = 400

  /// The input with its padding, the kernel and the output, with one window marked. Colours follow the viewer's light or
  /// dark scheme.
  ///
  /// - Parameter step: the position to mark, from 0.
  /// - Throws: ``LabError`` if there are too many windows to draw.
  public func svg(step: Int = 0) throws(LabError) -> String {
    try requireDrawable()
    guard positions.indices.contains(step) else {
      throw LabError("there is no window \(step); the last of the \(positions.count) is \(positions.count - 1)")
    }
    let layout = Layout(self)
    return layout.document(style: NumberGrid.drawingStyle, layout.frame(positions[step], attributes: ""))
  }

  /// A page that shows all windows one after another, with the list of their terms below. It needs no script and
  /// nothing from elsewhere, and stands still for people who asked their system for less motion.
  public func html(title: String) throws(LabError) -> String {
    try requireDrawable()
    let layout = Layout(self)
    let seconds = Double(positions.count) * 1.5
    let share = 100 / Double(positions.count)
    let frames = positions.enumerated().map { index, position in
      layout.frame(position, attributes: " class=\"step\" style=\"animation-delay:\(Double(index) * 1.5)s\"")
    }
    // Rounded up, so that there is no gap between two steps.
    let end = (share * 1000).rounded(.up) / 1000
    let style =
      NumberGrid.drawingStyle + """

        body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
        body { background: #fff; color: #1d2433; }
        svg { max-width: 100%; height: auto; }
        li { font-family: ui-monospace, monospace; overflow-wrap: anywhere; }
        .step { opacity: 0; animation: step \(seconds)s step-end infinite; }
        @keyframes step { 0% { opacity: 1 } \(end)% { opacity: 0 } 100% { opacity: 0 } }
        @media (prefers-color-scheme: dark) { body { background: #14181f; color: #e6e9ef; } }
        @media (prefers-reduced-motion: reduce) {
          .step { animation: none; }
          .step:first-of-type { opacity: 1; }
        }
        """
    return """
      <!DOCTYPE html>
      <html lang="en">
      <head>
      <meta charset="utf-8">
      <meta name="viewport" content="width=device-width, initial-scale=1">
      <title>\(Markup.escaped(title))</title>
      <style>
      \(style)
      </style>
      </head>
      <body>
      <h1>\(Markup.escaped(title))</h1>
      \(layout.document(style: "", "<g>" + frames.joined(separator: "\n") + "</g>"))
      <ol>
      \(lines.map { "<li>\(Markup.escaped($0))</li>" }.joined(separator: "\n"))
      </ol>
      </body>
      </html>

      """
  }

  private func requireDrawable() throws(LabError) {
    let padded = (0..<3).map { input.extents[$0] + geometry.before[$0] + geometry.after[$0] }
    let cells = padded.reduce(input.channels, *)
    if positions.count > Self.pictureLimit || cells > Self.pictureLimit * 10 {
      throw LabError(
        "\(positions.count) windows over \(cells) numbers are too many to draw; the most is \(Self.pictureLimit) over "
          + "\(Self.pictureLimit * 10)")
    }
  }
}
