import Foundation
import Inspect

extension KernelLearning {
  /// Two plots as one SVG file: the logarithm of the loss at each step, and the way of the kernel through the valley of
  /// the loss. Colours follow the viewer's light or dark scheme.
  ///
  /// - Parameter other: a learning rate to compare with, a little above ``stabilityBound``.
  public func svg(comparedWith other: Double = 0.034) throws -> String {
    // Enough steps for a slow divergence to show.
    let steps = min(max(losses.count, 60), 2000)
    let rates = learningRate == other ? [other] : [learningRate, other]
    let runs = try rates.map { try KernelLearning(learningRate: $0, steps: steps, start: start) }

    let curves = runs.map { run in
      LineChart.Series(
        run.name, run.losses.enumerated().map { (x: Double($0.offset + 1), y: log10(Double($0.element))) })
    }
    let chart = LineChart(title: "log10 of the loss of each step", xTitle: "step", series: curves)
    let names: [Markup] = runs.enumerated().map { index, run in
      """
      <circle class="s\(index)" cx="28" cy="\(Double(548 + 22 * index))" r="5"/>
      <text x="40" y="\(Double(553 + 22 * index))">\(run.name): \(run.verdict)</text>
      """
    }
    let picture: Markup = """
      <svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 1400 600" width="1400" height="600">
      <rect width="1400" height="600" style="fill:var(--paper)"/>
      \(chart.standaloneSVG)
      \(Valley(runs).markup)
      \(names)
      </svg>
      """
    return picture.text
  }

  private var name: String { String(format: "learning rate %g", learningRate) }
}

/// The kernels that a run went through, over lines of equal loss: with `s` and `d` the parts of the error along
/// `w0 + w1` and `w0 - w1`, the loss is `6 (5 s^2 + d^2)`, so these lines are ellipses.
private struct Valley {
  let runs: [KernelLearning]
  /// Half the side of the square in view, around the target.
  let radius: Double

  init(_ runs: [KernelLearning]) {
    self.runs = runs
    // All ways start at the same place; where one leaves the picture is of no interest.
    radius = max(1e-3, 1.5 * (Self.errors(of: runs[0].weights[0]).map(abs).max() ?? 1))
  }

  private static func errors(of weight: [Float]) -> [Double] { [Double(weight[0]) - 1, Double(weight[1]) + 1] }

  private static let side = 480.0

  private func place(_ error: [Double]) -> (x: Double, y: Double) {
    let scale = Self.side / 2 / radius
    return (Self.side / 2 + error[0] * scale, Self.side / 2 - error[1] * scale)
  }

  var markup: Markup {
    let centre = place([0, 0])
    let contours: [Markup] = [0.1, 0.2, 0.4, 0.7, 1, 1.4].map { share in
      let long = share * Self.side / 2
      // Downwards is positive in pictures, so the valley, along w0 - w1, falls to the right.
      return """
        <ellipse class="grid" rx="\(long)" ry="\(long / 5.0.squareRoot())" transform="translate(\(centre.x) \(centre.y)) \
        rotate(45)" style="fill:none"/>
        """
    }
    let ways: [Markup] = runs.indices.reversed().map { index in
      let places = runs[index].weights.map { place(Self.errors(of: $0)) }
        .prefix { abs($0.x) < 20 * Self.side && abs($0.y) < 20 * Self.side }
      let points = places.map { "\($0.x.rounded(digits: 1)),\($0.y.rounded(digits: 1))" }.joined(separator: " ")
      let dots: [Markup] = places.map { "<circle class=\"s\(index)\" cx=\"\($0.x)\" cy=\"\($0.y)\" r=\"2.5\"/>" }
      return "<polyline class=\"s\(index)\" style=\"fill:none;stroke-width:1.5\" points=\"\(points)\"/>\n\(dots)"
    }
    let start = place(Self.errors(of: runs[0].weights[0]))
    return """
      <text x="880" y="42">lines of equal loss: w0 to the right, w1 upwards, [1, -1] at the cross</text>
      <svg class="chart" x="880" y="66" width="\(Self.side)" height="\(Self.side)">
      <rect class="grid" width="\(Self.side)" height="\(Self.side)" style="fill:none"/>
      \(contours)
      \(ways)
      <path style="stroke:var(--soft);stroke-width:2.5" d="M \(centre.x - 8) \(centre.y) h 16 M \(centre.x) \(centre.y - 8) v 16"/>
      <text x="\(start.x + 8)" y="\(start.y - 8)">start</text>
      </svg>
      """
  }
}
