internal import Backend
internal import FP8
internal import Glibc
internal import IR

extension Report {
  // MARK: Ranges

  /// What FP8 can hold of each measured port, and the range that was measured.
  func ranges(_ modules: [RankedModule]) -> HTML {
    let ports = modules.flatMap { item in
      item.module.ports.compactMap { port -> (path: String, port: ScaleTableFile.Port)? in
        let isDrawn = !(port.scale?.values.isEmpty ?? true) && port.maxAbs != nil
        return isDrawn ? (item.module.path, port) : nil
      }
    }
    guard
      let axis = Chart.Axis(
        ports.flatMap { item in
          let band = band(item.port)
          return [band.least, band.full] + (item.port.maxAbs ?? []).map { Double($0) }
        })
    else { return "" }
    let ticks = axis.ticks.map { exponent -> HTML in
      let left = Chart.thousandths(axis.place(exp2(Double(exponent))))
      return """
        <span class="tick" style="left:calc(\(left)% / 10)">2<sup>\(exponent)</sup></span>
        """
    }
    let rows = ports.map { item -> HTML in
      let port = item.port
      let range = port.maxAbs ?? []
      let largest = range.max() ?? 0
      let scale = port.scale?.values ?? []
      return """
        <tr><th scope="row">\(item.path)</th><td>\(port.name)</td><td class="wide">\(drawing(port, axis))</td>\
        <td class="n">\(Report.span(range))</td><td class="n">\(Report.span(scale))</td>\
        <td class="n">\(headroom(port, largest))</td></tr>

        """
    }
    return """
      <h2>Ranges and scales</h2>
      <p>On an axis of powers of two: the band is what the codes hold at the port's scale, from the least number other \
      than zero to full scale, dark where a code has all its bits; the stroke is the largest magnitude that was \
      measured, from the least channel to the largest where there are channels. Room is what is left to full scale.</p>
      <div class="scroll"><table>
      <thead><tr><th scope="col">module</th><th scope="col">port</th>\
      <th scope="col" class="axis"><div class="ticks">\(HTML(joining: ticks))</div></th>\
      <th scope="col" class="n">largest</th><th scope="col" class="n">scale</th><th scope="col" class="n">room</th></tr></thead>
      <tbody>
      \(HTML(joining: rows))</tbody></table></div>

      """
  }

  /// The numbers that a port's codes stand for: the least above zero, the least with all bits, the largest.
  private func band(_ port: ScaleTableFile.Port) -> (least: Double, normal: Double, full: Double) {
    let scales = (port.scale?.values ?? []).map { Double($0) }
    let (low, high) = (scales.min() ?? 1, scales.max() ?? 1)
    let format = limits.encoding
    let normal = exp2(Double(1 - format.bias))
    return (
      normal * exp2(Double(-format.mantissaBits)) * low, normal * low,
      Double(limits.fullscale) * high
    )
  }

  private func drawing(_ port: ScaleTableFile.Port, _ axis: Chart.Axis) -> HTML {
    let band = band(port)
    func x(_ number: Double) -> Int { Chart.thousandths(axis.place(number)) }
    let (least, normal, full) = (x(band.least), x(band.normal), x(band.full))
    let range = (port.maxAbs ?? []).map { Double($0) }
    let (low, high) = (x(range.min() ?? 0), x(range.max() ?? 0))
    let isBeyond = (range.max() ?? 0) > band.full
    let stroke: HTML = isBeyond ? "lost" : "stroke"
    return """
      <svg class="range" viewBox="0 0 1000 12" preserveAspectRatio="none" aria-hidden="true">\
      <rect class="ground" width="1000" height="12"/><rect class="soft" x="\(least)" width="\(max(normal - least, 1))" height="12"/>\
      <rect class="mark" x="\(normal)" width="\(max(full - normal, 1))" height="12"/>\
      <rect class="\(stroke)" x="\(max(low - 2, 0))" width="\(max(high - low, 0) + 4)" height="12"/></svg>
      """
  }

  /// How far full scale is above the largest magnitude, in powers of two.
  private func headroom(_ port: ScaleTableFile.Port, _ largest: Float) -> String {
    guard largest > 0, let scale = port.scale?.values.max() else { return "" }
    let room = log2(Double(limits.fullscale) * Double(scale) / Double(largest))
    return room.isFinite ? "\((room * 10).rounded() / 10) bits" : ""
  }

  /// One number, or the least and the largest of several.
  private static func span(_ numbers: [Float]) -> String {
    guard let least = numbers.min(), let largest = numbers.max() else { return "" }
    return least == largest ? "\(least)" : "\(least) … \(largest)"
  }

  // MARK: Histograms

  /// How the codes of each weight spread over the powers of two that the format has.
  func histograms(_ modules: [RankedModule]) -> HTML {
    let weights = modules.flatMap { item in
      item.module.ports.compactMap { port -> HTML? in
        guard let loss = port.loss, let name = port.value, let counter = codes?[name] else {
          return nil
        }
        return histogram(item.module.path, port, loss, counter)
      }
    }
    guard !weights.isEmpty else {
      return codes == nil
        ? "<h2>Weights</h2>\n<p>The model does not lie beside its table, so no codes were counted.</p>\n"
        : ""
    }
    return """
      <h2>Weights</h2>
      <p>Shares of elements by the power of two of their codes: zero at the left, then the numbers with fewer bits, then \
      power by power to full scale. Red are elements that became zero, at the left, and that were beyond full scale, at \
      the right.</p>
      <div class="cards">
      \(HTML(joining: weights))</div>

      """
  }

  private func histogram(
    _ path: String, _ port: ScaleTableFile.Port, _ loss: ScaleTableFile.Loss,
    _ counter: CodeCounter
  ) -> HTML {
    let bins = bins(counter)
    let total = Double(max(loss.elements, 1))
    let shares = bins.map { Double($0) / total }
    let highest = max(shares.max() ?? 0, 1e-9)
    let width = 1000 / bins.count
    func bar(_ index: Int, _ share: Double, _ kind: HTML) -> HTML {
      let height = Chart.thousandths(share / highest)
      return """
        <rect class="\(kind)" x="\(index * width + 4)" y="\(1000 - height)" width="\(width - 8)" height="\(height)"/>
        """
    }
    var bars = shares.indices.map { bar($0, shares[$0], $0 == 1 ? "soft" : "mark") }
    if loss.flushedFraction > 0 { bars.append(bar(0, loss.flushedFraction, "lost")) }
    if loss.clippedFraction > 0 { bars.append(bar(bins.count - 1, loss.clippedFraction, "lost")) }
    let scale = port.scale?.values ?? []
    let unit: HTML = scale.count > 1 ? " times the channel's scale" : ""
    let factor = scale.count == 1 ? Double(scale[0]) : 1
    let least = exp2(Double(1 - limits.encoding.bias - limits.encoding.mantissaBits)) * factor
    return """
      <figure><figcaption><b>\(path)</b> \(port.name)</figcaption>
      <svg viewBox="0 0 1000 1000" preserveAspectRatio="none" class="plot" role="img" \
      aria-label="Histogram of codes"><rect class="ground" width="1000" height="1000"/>\(HTML(joining: bars))</svg>
      <div class="ends"><span>0, \("\(Float(least))")</span><span>\("\(Float(Double(limits.fullscale) * factor))")\(unit)</span></div>
      <div class="ends"><span>flushed \(Report.percent(loss.flushedFraction))</span>\
      <span>clipped \(Report.percent(loss.clippedFraction))</span></div></figure>

      """
  }

  /// Elements that are zero, then those with the least exponent, then one number for each other exponent.
  private func bins(_ counter: CodeCounter) -> [Int] {
    let bits = limits.encoding.mantissaBits
    let last = Int(limits.encoding.encode(limits.fullscale, fullscale: limits.fullscale)) >> bits
    var bins = [Int](repeating: 0, count: last + 2)
    for (code, count) in counter.counts.enumerated() {
      let magnitude = code & 0x7F
      guard magnitude > 0 else {
        bins[0] += count
        continue
      }
      bins[min(magnitude >> bits, last) + 1] += count
    }
    return bins
  }
}
