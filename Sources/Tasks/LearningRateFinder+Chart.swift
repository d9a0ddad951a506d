import Foundation
import Inspect

extension LearningRateFinder {
  /// The losses over the rates, with the suggestion marked.
  public var chart: LineChart {
    func series(_ name: String, _ value: (Point) -> Double) -> LineChart.Series {
      LineChart.Series(name, points.map { (log10($0.rate), value($0)) })
    }
    var chart = LineChart(
      title: "Loss at growing learning rates: of each step (orange), and smoothed (blue)",
      xTitle: "learning rate, as a power of ten",
      series: [series("smoothed", \.smoothed), series("loss of the step", \.loss)])
    chart.mark = suggestion.map { (log10($0), String(format: "%.2g", $0)) }
    return chart
  }
}
