/// Types, weights, attributes and annotations as text.
extension Writer {
  func quoted(_ text: String) -> String { Spelling.quoted(text) }

  // MARK: Annotations

  func details(_ annotations: Annotations) -> [String] {
    var result: [String] = []
    if !annotations.docString.isEmpty { result.append("doc \(quoted(annotations.docString))") }
    if !annotations.metadata.isEmpty {
      let pairs = annotations.metadata.map { "\(quoted($0.key)): \(quoted($0.value))" }
      result.append("meta {\(pairs.joined(separator: ", "))}")
    }
    return result + details(unknown: annotations.unknown)
  }

  func details(of value: Value) -> [String] {
    (value.isDescribed ? ["described"] : []) + details(value.annotations)
  }

  private func details(unknown: [UInt8]) -> [String] {
    unknown.isEmpty ? [] : ["unknown \(Spelling.bytes(unknown))"]
  }

  func parenthesized(_ details: [String]) -> String {
    details.isEmpty ? "" : " (\(details.joined(separator: " ")))"
  }

  // MARK: Types

  func text(_ type: ValueType) -> String {
    switch type {
    case .tensor(let type): text(type)
    case .untyped(let shape): "tensor" + text(shape)
    case .sparse(let type): "sparse<\(text(type))>"
    case .sequence(let element): "seq<\(text(element))>"
    case .optional(let element): "optional<\(text(element))>"
    case .map(let key, let value): "map<\(key.spelling), \(text(value))>"
    case .opaque(let bytes): "opaque<\(Spelling.bytes(bytes))>"
    }
  }

  func text(_ type: TensorType) -> String { type.element.spelling + text(type.shape) }

  private func text(_ shape: [Dimension]?) -> String {
    guard let shape else { return "" }
    let dimensions = shape.map { dimension in
      switch dimension {
      case .size(let size): String(size)
      case .symbol(let name): Spelling.word(name)
      case .unknown: "?"
      }
    }
    return "[\(dimensions.joined(separator: ", "))]"
  }

  // MARK: Weights

  /// The type, where the bytes lie, and the recipe's steps behind bars.
  func text(_ weight: Weight) -> String {
    let stored = weight.recipe.isEmpty ? "" : text(weight.stored) + " "
    let source =
      switch weight.source {
      case .range(let range):
        digests[range].map { "\(stored)sha256 \($0)" } ?? text(range, stored: stored)
      case .literal(let bytes, let encoding):
        "= \(stored)" + (encoding == .raw ? "" : encoding.spelling + " ")
          + text(literal: bytes, as: weight.stored.element)
      case .strings(let strings): "strings \(stored)\(list(strings.map(Spelling.quoted)))"
      }
    return (["\(text(weight.type())) \(source)"] + weight.recipe.map(text)).joined(separator: " | ")
  }

  /// Where the elements lie.
  private func text(_ range: StoredRange, stored: String) -> String {
    let file = range.file.map { quoted($0) + " " } ?? ""
    return "stored \(stored)\(file)\(range.encoding.spelling) \(range.offset)+\(range.length)"
  }

  func text(_ step: Weight.Step) -> String {
    switch step {
    case .cast(let element, let saturates):
      "cast \(element.spelling)\(saturates ? " saturating" : "")"
    case .transpose(let permutation): "transpose \(whole(permutation))"
    case .reshape(let sizes): "reshape \(whole(sizes))"
    case .quantize(let quantization):
      "quantize \(quantization.element.spelling) \(text(quantization.scale))"
        + " fullscale \(FloatText.text(quantization.fullscale))"
        + (quantization.via.map { " via \($0.spelling)" } ?? "")
    }
  }

  func text(_ scale: Scale) -> String {
    switch scale {
    case .perTensor(let value): "scale \(FloatText.text(value))"
    case .perChannel(let values, let axis): "scale \(list(values)) axis \(axis)"
    case .dynamic(let axis): "scale dynamic" + (axis.map { " reducing \($0)" } ?? "")
    }
  }

  private func text(literal bytes: [UInt8], as element: ElementType) -> String {
    if let elements = Literal.elements(of: bytes, as: element) { return list(elements) }
    return elides && bytes.count > 16 ? list(bytes.map { String($0) }) : Spelling.bytes(bytes)
  }

  // MARK: Attributes

  mutating func text(_ attribute: Attribute) -> String {
    var parts = ["\(Spelling.word(attribute.name)) = \(text(attribute.value))"]
    if !attribute.docString.isEmpty { parts.append("doc \(quoted(attribute.docString))") }
    return (parts + details(unknown: attribute.unknown)).joined(separator: " ")
  }

  mutating func text(_ value: AttributeValue) -> String {
    switch value {
    case .float(let value): FloatText.text(value)
    case .int(let value): String(value)
    case .string(let bytes): Spelling.quoted(bytes)
    case .tensor(let tensor): text(tensor)
    case .sparse(let sparse): text(sparse)
    case .type(let type): "type \(text(type))"
    case .graph(let graph): text(graph)
    case .floats(let values): values.isEmpty ? "floats []" : list(values)
    case .ints(let values): values.isEmpty ? "ints []" : list(values.map { String($0) })
    case .strings(let values): values.isEmpty ? "strings []" : list(values.map(Spelling.quoted))
    case .tensors(let values): values.isEmpty ? "tensors []" : whole(values.map { text($0) })
    case .sparses(let values): values.isEmpty ? "sparses []" : whole(values.map { text($0) })
    case .types(let values):
      values.isEmpty ? "types []" : whole(values.map { "type \(text($0))" })
    case .graphs(let values): values.isEmpty ? "graphs []" : whole(values.map { text($0) })
    case .reference(let name, let kind): "ref \(Spelling.word(name)) kind \(kind)"
    }
  }

  private func text(_ tensor: TensorAttribute) -> String {
    let name = tensor.name.isEmpty ? "" : quoted(tensor.name) + " "
    let flags = tensor.weight.isOverridable ? ["overridable"] : []
    return "tensor \(name)\(text(tensor.weight))"
      + parenthesized(flags + details(tensor.annotations))
  }

  private func text(_ sparse: SparseAttribute) -> String {
    "sparse \(whole(sparse.sizes))" + parenthesized(details(unknown: sparse.unknown))
      + " values \(text(sparse.values)) indices \(text(sparse.indices))"
  }

  // MARK: Lists

  func list(_ values: [Float]) -> String { list(values.map { FloatText.text($0) }) }

  /// The elements; where the printer elides, the first four of more than eight, with their count
  /// and a digest of all.
  private func list(_ elements: [String]) -> String {
    guard elides, elements.count > 8 else { return "[\(elements.joined(separator: ", "))]" }
    let head = elements.prefix(4).joined(separator: ", ")
    return "[\(head), … \(elements.count) in all, \(digest(elements))]"
  }

  private func whole<Element: CustomStringConvertible>(_ elements: [Element]) -> String {
    "[\(elements.map { $0.description }.joined(separator: ", "))]"
  }

  /// 64-bit FNV-1a over the elements, a comma between them.
  private func digest(_ elements: [String]) -> String {
    var hash: UInt64 = 0xcbf2_9ce4_8422_2325
    for byte in elements.joined(separator: ",").utf8 {
      hash = (hash ^ UInt64(byte)) &* 0x0000_0100_0000_01b3
    }
    return String(hash, radix: 16)
  }
}
