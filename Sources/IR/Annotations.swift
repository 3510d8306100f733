/// What a file says beside the computation: kept, never interpreted but for `metadata`.
///
/// Most values and nodes have nothing: that takes one word and no memory.
package struct Annotations: Equatable, Hashable, Sendable {
  private var texts: Texts?

  package init(docString: String = "", metadata: [Metadata] = [], unknown: [UInt8] = []) {
    texts = Texts(docString: docString, metadata: metadata, unknown: unknown).unlessEmpty
  }

  package var docString: String {
    get { texts?.docString ?? "" }
    set { change { Texts(docString: newValue, metadata: $0.metadata, unknown: $0.unknown) } }
  }

  package var metadata: [Metadata] {
    get { texts?.metadata ?? [] }
    set { change { Texts(docString: $0.docString, metadata: newValue, unknown: $0.unknown) } }
  }

  /// Fields this version does not know, encoded.
  package var unknown: [UInt8] {
    get { texts?.unknown ?? [] }
    set { change { Texts(docString: $0.docString, metadata: $0.metadata, unknown: newValue) } }
  }

  package var isEmpty: Bool { texts == nil }

  package subscript(key: String) -> String? {
    texts?.metadata.first { $0.key == key }?.value
  }

  private mutating func change(_ change: (Texts) -> Texts) {
    texts = change(texts ?? Texts(docString: "", metadata: [], unknown: [])).unlessEmpty
  }
}

/// The parts of annotations that say something.
private final class Texts: Hashable, Sendable {
  let docString: String
  let metadata: [Metadata]
  let unknown: [UInt8]

  init(docString: String, metadata: [Metadata], unknown: [UInt8]) {
    self.docString = docString
    self.metadata = metadata
    self.unknown = unknown
  }

  var unlessEmpty: Texts? {
    docString.isEmpty && metadata.isEmpty && unknown.isEmpty ? nil : self
  }

  static func == (left: Texts, right: Texts) -> Bool {
    left === right
      || left.docString == right.docString && left.metadata == right.metadata
        && left.unknown == right.unknown
  }

  func hash(into hasher: inout Hasher) {
    hasher.combine(docString)
    hasher.combine(metadata)
    hasher.combine(unknown)
  }
}

/// One key and value of `metadata_props`.
package struct Metadata: Equatable, Hashable, Sendable {
  package var key: String
  package var value: String

  /// The key under which a node of a quantized module says the module's path.
  package static let module = "fp8c.module"

  package init(_ key: String, _ value: String) {
    self.key = key
    self.value = value
  }
}
