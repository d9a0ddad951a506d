import Foundation
import Kernels

/// How a picture is resized. The numbers are Pillow's: the same input gives the same bytes.
public enum Interpolation: String, Hashable, Sendable, Codable, CaseIterable {
  /// The sample under each new pixel's centre.
  case nearest
  /// A triangle filter; widened when shrinking, so that it never aliases.
  case bilinear
  /// Keys' cubic filter with a = -0.5 (sharper); widened when shrinking.
  case bicubic

  /// Half the filter's width in source pixels, at scale 1.
  var support: Double { self == .bicubic ? 2 : 1 }

  func weight(_ distance: Double) -> Double {
    let x = abs(distance)
    switch self {
    case .nearest: return x <= 0.5 ? 1 : 0
    case .bilinear: return x < 1 ? 1 - x : 0
    case .bicubic:
      let a = -0.5
      if x < 1 { return ((a + 2) * x - (a + 3)) * x * x + 1 }
      if x < 2 { return (((x - 5) * x + 8) * x - 4) * a }
      return 0
    }
  }
}

/// The weights of one direction of a resize: which source samples make each new sample, and by how much.
///
/// As in Pillow's `Resample.c`: 8-bit samples times 22-bit fixed-point weights, summed in 32 bits.
struct ResamplingWeights {
  private(set) var filter: PixelKernel.Filter

  /// - Parameters:
  ///   - extent: source samples there are.
  ///   - low, high: the part of the source that the whole result shows.
  ///   - size: samples of the whole result.
  ///   - window: the samples of the result that are wanted.
  init(extent: Int, low: Float, high: Float, size: Int, window: Range<Int>, interpolation: Interpolation) {
    let scale = Double(high - low) / Double(size)
    let widening = max(scale, 1)
    let support = interpolation.support * widening
    // Never more than the source has: a wild box must not ask for a table without bound.
    let stride = min(Int(support.rounded(.up)) * 2 + 1, extent)
    filter = PixelKernel.Filter(stride: stride)
    filter.starts.reserveCapacity(window.count)
    filter.taps.reserveCapacity(window.count)
    filter.weights.reserveCapacity(window.count * stride)
    var row = [Double](repeating: 0, count: stride)
    for position in window {
      let center = Double(low) + (Double(position) + 0.5) * scale
      let start = min(max(Int(center - support + 0.5), 0), extent - 1)
      let count = min(max(min(Int(center + support + 0.5), extent) - start, 1), stride)
      var total = 0.0
      for index in 0..<count {
        row[index] = interpolation.weight((Double(index + start) - center + 0.5) / widening)
        total += row[index]
      }
      filter.starts.append(Int32(start))
      filter.taps.append(Int32(count))
      for index in 0..<stride {
        let share = index < count ? (total == 0 ? 1 / Double(count) : row[index] / total) : 0
        let scaled = share * Double(1 << 22)
        filter.weights.append(Int32(scaled < 0 ? scaled - 0.5 : scaled + 0.5))
      }
    }
  }

  /// New samples.
  var count: Int { filter.starts.count }

  /// Source samples that any new sample needs.
  var reach: Range<Int> {
    Int(filter.starts.first ?? 0)..<Int(zip(filter.starts, filter.taps).map { $0 + $1 }.max() ?? 0)
  }
}
