/// The difference of two texts, as `diff -u` writes it.
package struct LineDifference {
  /// How many equal lines stand around a change.
  private static let context = 3

  private enum Line {
    case both(Substring)
    case old(Substring)
    case new(Substring)
  }

  /// Without a header; empty where the texts are equal.
  package let text: String

  package init(from old: String, to new: String) {
    let lines = LineDifference.lines(old, new)
    var isShown = Array(repeating: false, count: lines.count)
    for (index, line) in lines.enumerated() {
      if case .both = line { continue }
      let first = max(0, index - LineDifference.context)
      let last = min(lines.count - 1, index + LineDifference.context)
      for near in first...last { isShown[near] = true }
    }
    var result = ""
    var numbers = (old: 1, new: 1)
    var index = 0
    while index < lines.count {
      guard isShown[index] else {
        numbers.old += 1
        numbers.new += 1
        index += 1
        continue
      }
      let start = numbers
      var hunk = ""
      while index < lines.count, isShown[index] {
        switch lines[index] {
        case .both(let line):
          hunk += " \(line)\n"
          numbers.old += 1
          numbers.new += 1
        case .old(let line):
          hunk += "-\(line)\n"
          numbers.old += 1
        case .new(let line):
          hunk += "+\(line)\n"
          numbers.new += 1
        }
        index += 1
      }
      result +=
        "@@ -\(start.old),\(numbers.old - start.old) +\(start.new),\(numbers.new - start.new) @@\n"
        + hunk
    }
    text = result
  }

  /// All lines of both in one order, removed ones before those that take their place.
  private static func lines(_ old: String, _ new: String) -> [Line] {
    let first = old.split(separator: "\n", omittingEmptySubsequences: false)
    let second = new.split(separator: "\n", omittingEmptySubsequences: false)
    let difference = second.difference(from: first)
    var removed: Set<Int> = []
    var inserted: Set<Int> = []
    for change in difference {
      switch change {
      case .remove(let offset, _, _): removed.insert(offset)
      case .insert(let offset, _, _): inserted.insert(offset)
      }
    }
    var lines: [Line] = []
    var (left, right) = (0, 0)
    while left < first.count || right < second.count {
      if left < first.count, removed.contains(left) {
        lines.append(.old(first[left]))
        left += 1
      } else if right < second.count, inserted.contains(right) {
        lines.append(.new(second[right]))
        right += 1
      } else {
        lines.append(.both(first[left]))
        left += 1
        right += 1
      }
    }
    if case .both(let last)? = lines.last, last.isEmpty { lines.removeLast() }
    return lines
  }
}
