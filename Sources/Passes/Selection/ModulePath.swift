internal import IR

/// Where a module's path and class are read from (cli.md section 5); the root's path is empty.
struct ModuleScope {
  var path: String
  /// The class without its package, where the exporter wrote it.
  var type: String?
  var evidence: QuantizedModule.Evidence

  /// Keys that PyTorch's exporter writes: lists in Python's spelling, one entry for each scope from
  /// the root to the operator.
  private static let scopesKey = "pkg.torch.onnx.name_scopes"
  private static let classesKey = "pkg.torch.onnx.class_hierarchy"

  /// The scope of a node that reads a weight.
  ///
  /// `accepts` says whether a class may be the module's own: the scope of a batch norm that was
  /// folded into a convolution is not, nor is that of an attention that calls a linear function.
  static func ofWeighted(
    _ node: Node, weight name: String, accepts: (String) -> Bool
  ) -> ModuleScope? {
    let scope = metadata(of: node)
    if let scope, let type = scope.type, accepts(type) { return scope }
    if let path = weightPath(name) {
      return ModuleScope(path: path, type: nil, evidence: .weightName)
    }
    if let scope, scope.type.map({ !$0.hasPrefix("BatchNorm") }) ?? true { return scope }
    return named(node)
  }

  /// The scope of a node that reads activations only.
  static func ofUnweighted(_ node: Node) -> ModuleScope? { metadata(of: node) ?? named(node) }

  private static func metadata(of node: Node) -> ModuleScope? {
    guard let scopes = node.annotations[scopesKey].flatMap(pythonList),
      let classes = node.annotations[classesKey].flatMap(pythonList),
      scopes.count == classes.count, scopes.count >= 2
    else { return nil }
    let index = scopes.count - 2
    let type = classes[index].split(separator: ".").last.map(String.init)
    return ModuleScope(path: scopes[index], type: type, evidence: .metadata)
  }

  /// `layer1.0.conv1` for the weight `layer1.0.conv1.weight`.
  private static func weightPath(_ full: String) -> String? {
    let name =
      full.hasSuffix(Canonicalize.suffix)
      ? String(full.dropLast(Canonicalize.suffix.count)) : full
    guard let dot = name.lastIndex(of: ".") else { return nil }
    let last = name[name.index(after: dot)...]
    guard last == "weight" || last.hasSuffix("_weight") || last == "kernel" else { return nil }
    let path = name[..<dot]
    return path.isEmpty || path.contains("/") || path.contains(":") ? nil : String(path)
  }

  /// The path of a node that a call stood for: the call's name, then what the function says.
  private static func called(_ node: Node) -> ModuleScope? {
    guard let end = node.name.lastDoubleStroke else { return nil }
    let own = String(node.name[end.upperBound...])
    let call = String(node.name[..<end.lowerBound])
    let calls = call.split(separator: "/").map(String.init)
    let path = (scopes(in: call).map { [$0] } ?? calls) + [scopes(in: own) ?? own]
    return ModuleScope(
      path: path.filter { !$0.isEmpty }.joined(separator: "."), type: nil, evidence: .function)
  }

  /// The path in a TorchScript node name: `/layer1/layer1.0/conv1/Conv` is `layer1.0.conv1`.
  private static func named(_ node: Node) -> ModuleScope? {
    if let scope = called(node) { return scope }
    return scopes(in: node.name).map { ModuleScope(path: $0, type: nil, evidence: .scope) }
  }

  private static func scopes(in name: String) -> String? {
    guard name.hasPrefix("/") else { return nil }
    var segments: [Substring] = []
    for segment in name.split(separator: "/").dropLast() {
      // A segment that begins with the previous one plus a dot replaces it.
      if let previous = segments.last, segment.continues(previous) { segments.removeLast() }
      segments.append(segment)
    }
    return segments.joined(separator: ".")
  }

  /// The strings of a Python list literal such as `['', 'layers.0', 'linear']`.
  private static func pythonList(_ text: String) -> [String]? {
    var items: [String] = []
    var rest = text.utf8[...]
    func skip(_ byte: UInt8) -> Bool {
      while rest.first == UInt8(ascii: " ") { rest.removeFirst() }
      guard rest.first == byte else { return false }
      rest.removeFirst()
      return true
    }
    guard skip(UInt8(ascii: "[")) else { return nil }
    if skip(UInt8(ascii: "]")) { return items }
    repeat {
      let quote: UInt8
      if skip(UInt8(ascii: "'")) {
        quote = UInt8(ascii: "'")
      } else if skip(UInt8(ascii: "\"")) {
        quote = UInt8(ascii: "\"")
      } else {
        return nil
      }
      guard let end = rest.firstIndex(of: quote) else { return nil }
      items.append(String(Substring(rest[rest.startIndex..<end])))
      rest = rest[rest.index(after: end)...]
    } while skip(UInt8(ascii: ","))
    return skip(UInt8(ascii: "]")) ? items : nil
  }
}

extension String {
  /// Where two strokes stand last in a name; names are long, and most have none.
  fileprivate var lastDoubleStroke: Range<String.Index>? {
    let bytes = utf8
    var end = bytes.endIndex
    while end > bytes.startIndex {
      let start = bytes.index(before: end)
      guard start > bytes.startIndex else { return nil }
      let before = bytes.index(before: start)
      if bytes[start] == UInt8(ascii: "/"), bytes[before] == UInt8(ascii: "/") {
        return before..<end
      }
      end = start
    }
    return nil
  }
}

extension Substring {
  /// True where a segment goes on from another behind a dot.
  fileprivate func continues(_ other: Substring) -> Bool {
    utf8.count > other.utf8.count && utf8.starts(with: other.utf8)
      && utf8.dropFirst(other.utf8.count).first == UInt8(ascii: ".")
  }
}
