import Formats

/// Runs of earlier versions go on: what their records lack has its default, and keys may be in camel case.
extension ClassifierJob {
  enum CodingKeys: String, CodingKey {
    case data, optimizer, training, augmentation, validation, allowances, balance
    case modelName = "model_name"
    case imageSize = "image_size"
    case mixUp = "mix_up"
    case cutMix = "cut_mix"
    case weightsPath = "weights_path"
    case fineTuning = "fine_tuning"
    case skipsBadImages = "skips_bad_images"
    case labelSmoothing = "label_smoothing"
    case tensorBoardFolder = "tensor_board_folder"
  }

  public init(from decoder: any Decoder) throws {
    self.init()
    let fields = try JSONFields(decoder, keyedBy: CodingKeys.self)
    try fields.read(.data, into: &data)
    try fields.read(.modelName, into: &modelName)
    try fields.read(.imageSize, into: &imageSize)
    try fields.read(.optimizer, into: &optimizer)
    try fields.read(.training, into: &training)
    try fields.read(.augmentation, into: &augmentation)
    try fields.read(.mixUp, into: &mixUp)
    try fields.read(.cutMix, into: &cutMix)
    try fields.read(.validation, into: &validation)
    try fields.read(.weightsPath, into: &weightsPath)
    try fields.read(.allowances, into: &allowances)
    try fields.read(.fineTuning, into: &fineTuning)
    try fields.read(.balance, into: &balance)
    try fields.read(.skipsBadImages, into: &skipsBadImages)
    try fields.read(.labelSmoothing, into: &labelSmoothing)
    try fields.read(.tensorBoardFolder, into: &tensorBoardFolder)
  }
}
