import CEmbedded

/// A balanced tenth of Fashion-MNIST inside the program itself, so that examples and tests need no download: of each of
/// the ten classes the first 600 training and the first 100 test images.
///
/// Xiao, Rasul and Vollgraf, "Fashion-MNIST: a Novel Image Dataset for Benchmarking Machine Learning Algorithms", 2017.
/// MIT licence, Copyright (c) 2017 Zalando SE; its text lies beside the data in `Sources/CEmbedded/data`.
public enum EmbeddedFashionMNIST {
  public static let classNames = [
    "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot",
  ]

  private static let side = 28

  /// 6,000 training and 1,000 test images of 28x28, classes mixed.
  public static func load() throws(DataError) -> (train: IDXDataset, test: IDXDataset) {
    try (dataset(parts: [0, 1], countPerPart: 3000), dataset(parts: [2], countPerPart: 1000))
  }

  private static func dataset(parts: [Int32], countPerPart: Int) throws(DataError) -> IDXDataset {
    var labels: [UInt8] = []
    var pixels: [UInt8] = []
    for part in parts {
      let compressed = convnet_fashion_mnist(part)
      let buffer = UnsafeBufferPointer(start: compressed.start, count: compressed.count)
      guard
        var bytes = inflate(buffer, count: countPerPart * (1 + side * side)),
        bytes.prefix(countPerPart).allSatisfy({ $0 < classNames.count })
      else {
        throw .malformed(path: "embedded Fashion-MNIST, part \(part)", reason: "damaged; build the program again")
      }
      labels += bytes.prefix(countPerPart)
      for image in 0..<countPerPart { restore(&bytes, from: countPerPart + image * side * side) }
      pixels += bytes.dropFirst(countPerPart)
    }
    return IDXDataset(pixels: pixels, labels: labels, imageHeight: side, imageWidth: side, classNames: classNames)
  }

  /// Turns the differences of one image from their predictions back into pixels (PNG specification, filter type 4).
  private static func restore(_ bytes: inout [UInt8], from start: Int) {
    for row in 0..<side {
      for column in 0..<side {
        let index = start + row * side + column
        let left = column > 0 ? Int(bytes[index - 1]) : 0
        let up = row > 0 ? Int(bytes[index - side]) : 0
        let corner = column > 0 && row > 0 ? Int(bytes[index - side - 1]) : 0
        let estimate = left + up - corner
        let (a, b, c) = (abs(estimate - left), abs(estimate - up), abs(estimate - corner))
        bytes[index] &+= UInt8(a <= b && a <= c ? left : b <= c ? up : corner)
      }
    }
  }
}
