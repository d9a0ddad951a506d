public import Layers

/// A small network in the manner of VGG with batch norm: stacks of 3x3 convolutions, pooling between, width doubling;
/// for images from about 28x28. Global average pooling takes the place of VGG's large linear layers.
///
/// Simonyan and Zisserman, "Very deep convolutional networks for large-scale image recognition", 2015.
public struct VGGSmall: Layer {
  var features: Sequential
  var classifier: Linear

  public static var fields: [Field<Self>] { [.init("features", \.features), .init("classifier", \.classifier)] }

  public init(channels: Int = 1, classes: Int = 10) {
    var layers: [any Layer] = []
    var width = channels
    for (index, block) in [[32, 32], [64, 64], [128, 128]].enumerated() {
      if index > 0 { layers.append(MaxPool2D(kernel: 2)) }
      for out in block {
        layers.append(Conv2D(in: width, out: out, kernel: 3, padding: 1, bias: false, initializer: .normalFanOut))
        layers.append(BatchNorm(out))
        layers.append(Activation(.relu))
        width = out
      }
    }
    features = Sequential(layers)
    classifier = Linear(in: width, out: classes)
  }

  public func callAsFunction(_ x: Tensor) -> Tensor { classifier(GlobalAveragePool()(features(x))) }

  static let architectures = [
    Architecture(
      "vgg_small", "six 3x3 convolutions with batch norm in the manner of VGG", year: 2014,
      paper: "after Simonyan and Zisserman, 2015", channels: 1, classes: 10, imageSize: [28, 28], minimumImageSize: 8
    ) { VGGSmall(channels: $0.channels, classes: $0.classes) }
  ]
}
