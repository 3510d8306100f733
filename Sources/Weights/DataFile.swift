package import Support

/// A data file beside the model, open for reading.
package final class DataFile: Sendable {
  /// The location as the model spells it.
  package let location: String
  package let file: InputFile

  package init(location: String, _ file: consuming InputFile) {
    self.location = location
    self.file = file
  }

  package var size: Int64 { file.size }
}
