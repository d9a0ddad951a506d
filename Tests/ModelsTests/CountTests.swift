import Inspect
import Layers
import Models
import Testing

/// Parameters and multiply-accumulates of every architecture at its standard input.
///
/// torchvision's and timm's counts where they have the model (convolutions and linear layers); of the others, parameters
/// as the papers and the course give them: 60,000 of LeNet-5, 60,965,224 of AlexNet, 6,998,552 and 13,378,280 of
/// GoogLeNet, 269,722 to 1,727,962 of CIFAR ResNets, 1,703,258 and 10,327,706 of pre-activation ResNets, 31,030,658 of
/// U-Net, 11,378,179 and 2,764,737 of CycleGAN and PatchGAN. The perceptron's 2,903,632 are its hidden layer's.
@Suite struct CountTests {
  static let counts: [(name: String, parameters: Int, macs: Int)] = [
    ("perceptron", 2_903_666, 2_903_648),
    ("lenet_1998", 60_000, 326_520),
    ("lenet_1998_linear", 60_850, 326_520),
    ("lenet", 61_706, 416_520),
    ("alexnet", 61_100_840, 714_188_480),
    ("alexnet_grouped", 60_965_224, 724_406_816),
    ("zfnet", 62_357_608, 1_168_032_896),
    ("vgg_small", 288_170, 29_128_448),
    ("vgg11", 132_863_336, 7_609_090_048),
    ("vgg13", 133_047_848, 11_308_466_176),
    ("vgg16", 138_357_544, 15_470_264_320),
    ("vgg19", 143_667_240, 19_632_062_464),
    ("vgg11_bn", 132_868_840, 7_609_090_048),
    ("vgg13_bn", 133_053_736, 11_308_466_176),
    ("vgg16_bn", 138_365_992, 15_470_264_320),
    ("vgg19_bn", 143_678_248, 19_632_062_464),
    ("googlenet", 6_624_904, 1_498_376_192),
    ("googlenet_aux", 13_004_888, 1_498_376_192),
    ("googlenet_paper", 6_998_552, 1_582_671_872),
    ("googlenet_paper_aux", 13_378_280, 1_582_671_872),
    ("resnet18", 11_689_512, 1_814_073_344),
    ("resnet34", 21_797_672, 3_663_761_408),
    ("resnet50", 25_557_032, 4_089_184_256),
    ("resnet101", 44_549_160, 7_801_405_440),
    ("resnet152", 60_192_808, 11_513_626_624),
    ("plain18", 11_515_688, 1_794_805_760),
    ("plain34", 21_623_848, 3_644_493_824),
    ("resnet20", 269_722, 40_551_040),
    ("resnet32", 464_154, 68_862_592),
    ("resnet44", 658_586, 97_174_144),
    ("resnet56", 853_018, 125_485_696),
    ("resnet110", 1_727_962, 252_887_680),
    ("plain20", 269_722, 40_551_040),
    ("plain32", 464_154, 68_862_592),
    ("plain44", 658_586, 97_174_144),
    ("plain56", 853_018, 125_485_696),
    ("plain110", 1_727_962, 252_887_680),
    ("preact_resnet50", 25_549_352, 4_089_184_256),
    ("preact_resnet101", 44_541_480, 7_801_405_440),
    ("preact_resnet152", 60_185_128, 11_513_626_624),
    ("preact_resnet164", 1_703_258, 247_646_720),
    ("preact_resnet1001", 10_327_706, 1_490_995_712),
    ("densenet121", 7_978_856, 2_834_161_664),
    ("densenet169", 14_149_480, 3_359_843_328),
    ("densenet201", 20_013_928, 4_291_365_888),
    ("mobilenet_v2", 3_504_872, 300_774_272),
    ("efficientnet_lite0", 4_652_008, 385_187_552),
    ("efficientnet_lite1", 5_416_680, 600_185_232),
    ("efficientnet_lite2", 6_092_072, 859_736_272),
    ("efficientnet_lite3", 8_197_096, 1_383_321_872),
    ("efficientnet_lite4", 13_006_568, 2_553_034_336),
    ("convnext_tiny", 28_589_128, 4_455_531_264),
    ("convnext_small", 50_223_688, 8_683_712_256),
    ("convnext_base", 88_591_464, 15_354_729_472),
    ("convnext_large", 197_767_336, 34_361_433_600),
    ("unet", 31_030_658, 150_428_424_448),
    ("unet_same", 31_037_698, 48_171_581_440),
    ("autoencoder", 256_001, 2_866_304),
    ("vae", 205_825, 2_816_128),
    ("dcgan_generator", 3_576_704, 104_628_224),
    ("dcgan_discriminator", 2_765_568, 103_817_216),
    ("patchgan", 2_764_737, 3_146_809_344),
    ("cyclegan_generator", 11_378_179, 49_551_507_456),
    ("resnet_1d", 504_258, 75_043_456),
    ("c3d", 79_991_015, 38_548_959_232),
    ("r3d_18", 33_371_472, 40_696_553_472),
  ]

  @Test func everyArchitectureIsCounted() { #expect(modelNames == Self.counts.map(\.name)) }

  @Test(arguments: counts)
  func countsAreExact(name: String, parameters: Int, macs: Int) throws {
    let standard = try ModelRegistry.architecture(named: name).standard
    let summary = try Summary(
      of: ModelRegistry.makeStructure(standard), input: standard.inputShape(), name: name)
    #expect(summary.parameters == parameters)
    #expect(summary.multiplyAccumulates == macs)
    // Auxiliary heads are parameters, but no part of the network outside training.
    if !name.hasSuffix("_aux") { #expect(summary.rows.reduce(0) { $0 + $1.parameters } == parameters) }
  }

  @Test func hiddenLayerOfThePerceptron() throws {
    let model = try ModelRegistry.makeStructure(ModelRegistry.architecture(named: "perceptron").standard)
    #expect(
      model.parameters.filter { $0.path.hasPrefix("fc1.") }.reduce(0) { $0 + $1.tensor.elementCount } == 2_903_632)
  }

  /// Formats of the published networks, and the course's count of a fine-tuned one.
  @Test func knownShapes() throws {
    func summary(_ name: String, classes: Int? = nil) throws -> Summary {
      var configuration = try ModelRegistry.architecture(named: name).standard
      configuration.classes = classes ?? configuration.classes
      return try Summary(
        of: ModelRegistry.makeStructure(configuration), input: configuration.inputShape(), name: name)
    }
    #expect(try summary("convnext_base", classes: 5).parameters == 87_571_589)
    let unet = try summary("unet")
    #expect(unet.output == [2, 388, 388])
    #expect(
      unet.rows.filter { $0.path.hasPrefix("down.") && $0.operation == "conv2d" }.map { $0.output[1] }
        == [570, 568, 282, 280, 138, 136, 66, 64, 30, 28])
    #expect(try summary("patchgan").output == [1, 30, 30])
    #expect(try summary("patchgan").rows.last?.receptiveField?.size == [70, 70])
    #expect(try summary("dcgan_generator").output == [3, 64, 64])
    // The course's receptive fields before the linear layers.
    func lastField(_ name: String) throws -> ReceptiveField? {
      try summary(name).rows.last { $0.receptiveField?.isGlobal == false }?.receptiveField
    }
    #expect(try lastField("vgg16")?.size == [212, 212])
    #expect(try lastField("vgg19")?.size == [268, 268])
    #expect(try lastField("alexnet")?.size == [195, 195])
    #expect(try lastField("alexnet")?.stride == [32, 32])
  }
}
