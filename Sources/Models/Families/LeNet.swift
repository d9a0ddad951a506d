public import Layers

/// LeNet-5 in its dense modern form: 61,706 parameters for 32x32 grey images and 10 classes.
///
/// LeCun, Bottou, Bengio and Haffner, "Gradient-based learning applied to document recognition", 1998; with every
/// map of the second convolution reading all six before it, ReLU, and maximum pooling.
public struct LeNet: Layer {
  var conv1: Conv2D
  var conv2: Conv2D
  var fc1: Linear
  var fc2: Linear
  var fc3: Linear

  public static var fields: [Field<Self>] {
    [
      .init("conv1", \.conv1), .init("conv2", \.conv2), .init("fc1", \.fc1), .init("fc2", \.fc2), .init("fc3", \.fc3),
    ]
  }

  /// - Parameter imageSize: `[height, width]`, at least 16 each.
  public init(channels: Int = 1, classes: Int = 10, imageSize: [Int] = [32, 32]) {
    conv1 = Conv2D(in: channels, out: 6, kernel: 5)
    conv2 = Conv2D(in: 6, out: 16, kernel: 5)
    // Twice: a 5x5 kernel without padding takes 4 elements, pooling halves.
    let area = imageSize.map { (($0 - 4) / 2 - 4) / 2 }.reduce(1, *)
    fc1 = Linear(in: 16 * area, out: 120)
    fc2 = Linear(in: 120, out: 84)
    fc3 = Linear(in: 84, out: classes)
  }

  public func callAsFunction(_ x: Tensor) -> Tensor {
    let pool = MaxPool2D(kernel: 2)
    let features = pool(relu(conv2(pool(relu(conv1(x))))))
    return fc3(relu(fc2(relu(fc1(features.flattened())))))
  }

  static let architectures = [
    Architecture(
      "lenet", "LeNet-5, dense form with ReLU and maximum pooling", year: 1998, paper: "LeCun et al., 1998",
      channels: 1,
      classes: 10, imageSize: [32, 32], minimumImageSize: 16
    ) { LeNet(channels: $0.channels, classes: $0.classes, imageSize: $0.imageSize) }
  ]
}
