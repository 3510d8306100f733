package import Support

/// Which modules the user wants: INC's allow and block lists (inc-fp8.md 1.5).
///
/// A module is taken if its type is not blocked, its type or path is allowed or both allow lists are
/// empty, and no blocked pattern matches its path. Patterns are regular expressions searched for
/// anywhere in the path.
package struct Selection {
  /// Stands among the allowed types for the thirteen that an empty allowlist takes.
  package static let defaults = "default"

  package var allowedNames: [PathPattern]
  package var allowedTypes: [String]
  /// True where the allowlist has the default types too.
  package var allowsDefaults = false
  package var blockedNames: [PathPattern]
  package var blockedTypes: [String]
  /// The types taken where both allow lists are empty.
  package var defaultTypes: [String]
  /// Where scales are computed when the model runs, the types that can; `nil` elsewhere.
  package var dynamicTypes: [String]?

  package init(
    allowedNames: [PathPattern] = [], allowedTypes: [String] = [],
    blockedNames: [PathPattern] = [], blockedTypes: [String] = [], defaultTypes: [String] = []
  ) {
    self.allowedNames = allowedNames
    self.allowedTypes = allowedTypes
    self.blockedNames = blockedNames
    self.blockedTypes = blockedTypes
    self.defaultTypes = defaultTypes
  }

  /// Why the module is left, `nil` where it is taken.
  package func reason(against type: String, path: String) -> String? {
    if blockedTypes.contains(type) { return "type '\(type)' is on the blocklist" }
    if let dynamicTypes, !dynamicTypes.contains(type) {
      return "type '\(type)' has no dynamic quantization"
    }
    let isDefault = allowsDefaults || (allowedNames.isEmpty && allowedTypes.isEmpty)
    let isAllowed =
      (isDefault && defaultTypes.contains(type)) || allowedTypes.contains(type)
      || allowedNames.contains { $0.matches(path) }
    guard isAllowed else { return "neither type '\(type)' nor the path is on the allowlist" }
    if let pattern = blockedNames.first(where: { $0.matches(path) }) {
      return "the path matches '\(pattern.source)' of the blocklist"
    }
    return nil
  }

  /// True where the allowlist has the type, by its name or as a default one.
  package func allows(_ type: String) -> Bool {
    allowedTypes.contains(type) || (allowsDefaults && defaultTypes.contains(type))
  }

  /// True where the user names nothing.
  package var isEmpty: Bool {
    allowedNames.isEmpty && allowedTypes.isEmpty && blockedNames.isEmpty && blockedTypes.isEmpty
  }

  /// True where modules of the type are taken whatever their path.
  package func takes(_ type: String) -> Bool {
    let isDefault = allowsDefaults || (allowedNames.isEmpty && allowedTypes.isEmpty)
    return !blockedTypes.contains(type) && dynamicTypes?.contains(type) ?? true
      && ((isDefault && defaultTypes.contains(type)) || allowedTypes.contains(type))
  }

  /// True where the allowlist asks for this very module by its path.
  package func names(_ path: String) -> Bool { allowedNames.contains { $0.matches(path) } }
}

/// A regular expression over module paths.
package struct PathPattern {
  package let source: String
  private let expression: Regex<AnyRegexOutput>

  package init(_ source: String) throws(Diagnostic) {
    self.source = source
    do {
      expression = try Regex(source)
    } catch {
      throw .badPattern(source)
    }
  }

  package func matches(_ path: String) -> Bool {
    // Only a transforming closure makes a match throw, and a pattern read from text has none.
    ((try? expression.firstMatch(in: path)) ?? nil) != nil
  }
}
