/// The candidate closest to `name`, for the note of a message about an unknown name.
///
/// Levenshtein distance over lower-cased scalars; `nil` where even the best shares too little. Names
/// are cut at 64 scalars, so the cost is bounded whatever the input.
package func nearest(to name: String, among candidates: [String]) -> String? {
  let wanted = Array(name.lowercased().unicodeScalars.prefix(64))
  var best: (distance: Int, candidate: String)?
  for candidate in candidates {
    let other = Array(candidate.lowercased().unicodeScalars.prefix(64))
    var row = Array(0...other.count)
    for (i, scalar) in wanted.enumerated() {
      var diagonal = row[0]
      row[0] = i + 1
      for (j, otherScalar) in other.enumerated() {
        let substituted = diagonal + (scalar == otherScalar ? 0 : 1)
        diagonal = row[j + 1]
        row[j + 1] = min(substituted, row[j] + 1, row[j + 1] + 1)
      }
    }
    let distance = row[other.count]
    if distance < best?.distance ?? Int.max { best = (distance, candidate) }
  }
  guard let best, best.distance <= max(2, wanted.count / 2) else { return nil }
  return best.candidate
}
