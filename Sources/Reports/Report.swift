package import Backend
package import FP8
internal import IR
package import Support

/// One page on a quantized model that needs no network, no script and no file beside it.
///
/// Everything is drawn as SVG in the page. Names are text wherever they come from, and a content security
/// policy forbids the page to load or run anything.
package struct Report {
  let table: ScaleTableFile
  let limits: FormatLimits
  /// The codes of weights by their names in the written model; `nil` where that was not read.
  let codes: [String: CodeCounter]?
  /// What modules cost by their paths; `nil` where nothing was run.
  let costs: [String: ModuleCost]?

  /// The most modules that are listed and drawn, the costliest; the table has all.
  static let moduleLimit = 1000

  package init(
    _ table: ScaleTableFile, limits: FormatLimits, codes: [String: CodeCounter]?,
    costs: [ModuleCost]?
  ) {
    self.table = table
    self.limits = limits
    self.codes = codes
    self.costs = costs.map { list in
      Dictionary(list.map { ($0.path, $0) }) { first, _ in first }
    }
  }

  /// Writes the page section by section.
  package func write<Sink: ByteSink & ~Copyable>(to sink: inout Sink) throws(Diagnostic) {
    let modules = rankedModules
    for part in [
      head, summary, sizes, errors(modules), ranges(modules), histograms(modules), left, foot,
    ] {
      try sink.write(Array(part.text.utf8)[...])
    }
  }

  // MARK: Order

  struct RankedModule {
    let module: ScaleTableFile.Module
    let cost: ModuleCost?
    /// The SQNR of the worst weight, in dB; `nil` where there is none or its codes were not read.
    let weights: Double?
  }

  /// The costliest first: by what was measured, else by weights; equal ones in the graph's order.
  private var rankedModules: [RankedModule] {
    let ranked = table.modules.map { module in
      RankedModule(
        module: module, cost: costs?[module.path],
        weights: module.ports.compactMap { sqnr(of: $0) }.min())
    }
    func key(_ item: RankedModule) -> Double { item.cost?.total ?? item.weights ?? .infinity }
    let order = ranked.indices.sorted {
      let (first, second) = (key(ranked[$0]), key(ranked[$1]))
      return first == second ? $0 < $1 : first < second
    }
    return order.prefix(Report.moduleLimit).map { ranked[$0] }
  }

  /// The ratio of what a weight's codes stand for to what rounding changed, in dB.
  func sqnr(of port: ScaleTableFile.Port) -> Double? {
    guard let loss = port.loss, let name = port.value, let counter = codes?[name] else {
      return nil
    }
    return Decibels.ratio(
      signal: counter.signal, error: loss.meanSquaredError * Double(loss.elements))
  }

  // MARK: Sections

  private var summary: HTML {
    let losses = table.modules.flatMap(\.ports).compactMap(\.loss)
    let elements = losses.reduce(0) { $0 + $1.elements }
    var facts: [(name: HTML, value: HTML)] = [
      ("Target", "\(table.target)"),
      ("Format", "\(table.format.rawValue.uppercased()), full scale \("\(limits.fullscale)")"),
      ("Scale method", "\(table.method)"),
      (
        "Form",
        table.form == "qdq" ? "QuantizeLinear and DequantizeLinear" : "the target's operators"
      ),
      ("Modules in FP8", "\(table.modules.count)"),
      ("Left", "\(table.left.count)"),
      ("Weight elements as codes", "\(elements)"),
    ]
    if let worst = losses.map(\.clippedFraction).max() {
      facts.append(("Worst clipped share of a weight", "\(Report.percent(worst))"))
    }
    if let worst = losses.map(\.flushedFraction).max() {
      facts.append(("Worst flushed share of a weight", "\(Report.percent(worst))"))
    }
    let items = facts.map { "<div><dt>\($0.name)</dt><dd>\($0.value)</dd></div>" as HTML }
    return "<dl>\(HTML(joining: items))</dl>\n"
  }

  private var sizes: HTML {
    let (before, after) = table.weightBytes
    let largest = Double(max(before, after, 1))
    func row(_ name: HTML, _ bytes: Int64) -> HTML {
      """
      <tr><th scope="row">\(name)</th><td class="n">\(Report.size(bytes))</td>\
      <td class="wide">\(Chart.bar(Double(bytes) / largest))</td></tr>
      """
    }
    return """
      <h2>Constants</h2>
      <div class="scroll"><table>
      \(row("before", before))
      \(row("after", after))
      </table></div>

      """
  }

  private func errors(_ modules: [RankedModule]) -> HTML {
    guard !table.modules.isEmpty else { return "<h2>Modules</h2>\n<p>None is in FP8.</p>\n" }
    let hasCosts = costs != nil
    let worst = modules.compactMap { $0.cost?.total ?? $0.weights }.filter(\.isFinite).min()
    let rows = modules.map { item -> HTML in
      let key = item.cost?.total ?? item.weights
      let share = key.flatMap { key in worst.map { Chart.share(ofError: key, worst: $0) } } ?? 0
      let cost = item.cost
      let measured: HTML =
        hasCosts
        ? """
        <td class="n">\(Report.decibels(cost?.total))</td><td class="n">\(Report.decibels(cost?.weights))</td>\
        <td class="n">\(Report.decibels(cost?.rounding))</td><td class="n">\(Report.decibels(cost?.saturation))</td>\
        <td class="n">\(cost.map { Report.percent($0.clipped) } ?? "")</td>\
        <td class="n">\(cost.map { Report.percent($0.flushed) } ?? "")</td>
        """ : ""
      let losses = item.module.ports.compactMap(\.loss)
      return """
        <tr><th scope="row">\(item.module.path)</th><td class="wide">\(Chart.bar(share))</td>\
        <td>\(item.module.type)</td>\(measured)\
        <td class="n">\(Report.decibels(item.weights))</td>\
        <td class="n">\(losses.map(\.clippedFraction).max().map { Report.percent($0) } ?? "")</td>\
        <td class="n">\(losses.map(\.flushedFraction).max().map { Report.percent($0) } ?? "")</td></tr>

        """
    }
    let measuredHead: HTML =
      hasCosts
      ? """
      <th scope="col" class="n">in all, dB</th><th scope="col" class="n">weights, dB</th>\
      <th scope="col" class="n">rounding, dB</th><th scope="col" class="n">saturation, dB</th>\
      <th scope="col" class="n">clipped</th><th scope="col" class="n">flushed</th>
      """ : ""
    let explanation: HTML =
      hasCosts
      ? """
      <p>What FP8 costs each module, read alone with what the source computes: the ratio of its result to the \
      error by everything, by rounding weights, by rounding activations and by activations beyond full scale; \
      then the shares of the activations' elements that saturate and that become zero. Infinite is no error.</p>
      """ : "<p>No batches were run, so modules stand in the order of their weights' errors.</p>"
    return """
      <h2>Modules by error</h2>
      \(explanation)
      <div class="scroll"><table>
      <thead><tr><th scope="col">module</th><th scope="col">error beside the worst</th><th scope="col">type</th>\(measuredHead)\
      <th scope="col" class="n">weight SQNR, dB</th><th scope="col" class="n">weight clipped</th>\
      <th scope="col" class="n">weight flushed</th></tr></thead>
      <tbody>
      \(HTML(joining: rows))</tbody></table></div>
      \(omitted)
      """
  }

  private var omitted: HTML {
    let count = table.modules.count - Report.moduleLimit
    return count > 0
      ? "<p>\(count) modules of less error are not shown; the scale table has them.</p>\n" : ""
  }

  private var left: HTML {
    guard !table.left.isEmpty else {
      return "<h2>Left in high precision</h2>\n<p>Nothing that could have been a module.</p>\n"
    }
    let rows = table.left.prefix(Report.moduleLimit).map { item -> HTML in
      """
      <tr><th scope="row">\(item.path)</th><td>\(item.type)</td><td>\(item.node)</td><td class="reason">\(item.reason)</td></tr>

      """
    }
    let count = table.left.count - Report.moduleLimit
    let rest: HTML = count > 0 ? "<p>\(count) more are in the scale table.</p>\n" : ""
    return """
      <h2>Left in high precision</h2>
      <div class="scroll"><table>
      <thead><tr><th scope="col">path</th><th scope="col">type</th><th scope="col">node</th><th scope="col">reason</th></tr></thead>
      <tbody>
      \(HTML(joining: rows))</tbody></table></div>
      \(rest)
      """
  }

  private var foot: HTML {
    """
    <footer>fp8c \(table.toolVersion). Source structure SHA-256 <code>\(table.modelDigest)</code>.</footer>
    </main></body></html>

    """
  }

  // MARK: Numbers

  static func percent(_ share: Double) -> String {
    let rounded = (share * 1e4).rounded() / 100
    return share > 0 && rounded == 0 ? "<0.01 %" : "\(rounded) %"
  }

  private static func decibels(_ value: Double?) -> String {
    value.map { $0 == .infinity ? "∞" : Decibels.text($0) } ?? ""
  }

  private static func size(_ bytes: Int64) -> String {
    let units = [(1e9, "GB"), (1e6, "MB"), (1e3, "kB")]
    for (unit, name) in units where Double(bytes) >= unit {
      return "\((Double(bytes) / unit * 10).rounded() / 10) \(name)"
    }
    return "\(bytes) B"
  }
}
