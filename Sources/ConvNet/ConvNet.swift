@_exported import Data
@_exported import Formats
@_exported import Inspect
@_exported import Layers
@_exported import Models
@_exported import Tasks
@_exported import Training
@_exported import Vision
