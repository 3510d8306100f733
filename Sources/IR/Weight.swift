/// A constant tensor: where its bytes lie and what is done to them on the way out.
///
/// The graph never holds the bytes of a large weight. `source` names a range of a file, `recipe` the
/// steps between those bytes and the tensor that the graph's operators read.
package struct Weight: Hashable, Sendable {
  /// The tensor as stored in the source.
  package var stored: TensorType
  package var source: Source
  package var recipe: [Step]
  /// True where a caller may replace the weight: it is a graph input with a default value.
  package var isOverridable: Bool

  package init(
    stored: TensorType, source: Source, recipe: [Step] = [], isOverridable: Bool = false
  ) {
    self.stored = stored
    self.source = source
    self.recipe = recipe
    self.isOverridable = isOverridable
  }

  package enum Source: Hashable, Sendable {
    /// A byte range of the model file or of a data file beside it.
    case range(StoredRange)
    /// A few bytes, little-endian and in `raw_data` order, known to passes.
    case literal([UInt8], encoding: Encoding)
    /// The elements of a string tensor.
    case strings([[UInt8]])
  }

  /// The quantization that ends the recipe, where there is one.
  package var quantization: Quantization? {
    if case .quantize(let quantization)? = recipe.last { return quantization }
    return nil
  }

  /// The bytes of the tensor behind the recipe, as `raw_data`; 0 for strings.
  package var byteCount: Int64 {
    let type = type()
    return Int64(type.element.byteCount(of: type.elementCount ?? 0) ?? 0)
  }

  /// One step of a recipe, applied in order.
  package enum Step: Hashable, Sendable {
    /// To the nearest value of another type; beyond its range that is an infinity, or with `saturates`
    /// the largest finite number.
    case cast(ElementType, saturates: Bool = false)
    case transpose([Int])
    case reshape([Int64])
    case quantize(Quantization)
  }

  /// The type of the tensor after the first `count` steps, the whole recipe by default.
  package func type(after count: Int? = nil) -> TensorType {
    recipe.prefix(count ?? recipe.count).reduce(stored) { $1.type(from: $0) }
  }
}

extension Weight.Step {
  /// The type that the step makes from another; a permutation that does not fit changes nothing.
  package func type(from type: TensorType) -> TensorType {
    var type = type
    switch self {
    case .cast(let element, _): type.element = element
    case .transpose(let permutation):
      if let shape = type.shape, permutation.count == shape.count,
        permutation.allSatisfy(shape.indices.contains)
      {
        type.shape = permutation.map { shape[$0] }
      }
    case .reshape(let sizes): type.shape = sizes.map(Dimension.size)
    case .quantize(let quantization): type.element = quantization.element
    }
    return type
  }
}

/// How `TensorProto` holds the elements: `raw_data` or one of its typed lists.
package enum Encoding: Int32, CaseIterable, Hashable, Sendable {
  case raw = 9
  case floatData = 4
  case int32Data = 5
  case int64Data = 7
  case doubleData = 10
  case uint64Data = 11
  /// The element count is zero and the message holds no data field at all.
  case absent = 0

  package var spelling: String {
    switch self {
    case .raw: "raw"
    case .floatData: "float_data"
    case .int32Data: "int32_data"
    case .int64Data: "int64_data"
    case .doubleData: "double_data"
    case .uint64Data: "uint64_data"
    case .absent: "absent"
    }
  }

  package init?(spelling: String) {
    guard let found = Encoding.allCases.first(where: { $0.spelling == spelling }) else {
      return nil
    }
    self = found
  }
}

/// A byte range of a file.
package struct StoredRange: Hashable, Sendable {
  /// The data file's location as the model spells it; `nil` for the model file itself.
  package var file: String?
  package var encoding: Encoding
  package var offset: Int64
  package var length: Int64

  package init(file: String?, encoding: Encoding, offset: Int64, length: Int64) {
    self.file = file
    self.encoding = encoding
    self.offset = offset
    self.length = length
  }
}

/// The last step of an FP8 weight: divide by the scale, saturate at `fullscale`, round to a code.
package struct Quantization: Hashable, Sendable {
  package var element: ElementType
  package var scale: Scale
  /// The largest magnitude a code may have, in units of the scale.
  package var fullscale: Float
  /// Where set, values are first rounded to this type, as INC's weights are.
  package var via: ElementType?

  package init(element: ElementType, scale: Scale, fullscale: Float, via: ElementType? = nil) {
    self.element = element
    self.scale = scale
    self.fullscale = fullscale
    self.via = via
  }
}

/// A dequantization multiplier: one number, or one for each index of an axis.
package enum Scale: Hashable, Sendable {
  case perTensor(Float)
  case perChannel([Float], axis: Int)
  /// Computed from the tensor itself when the model runs: one for all of it, or one for each row along
  /// `reducing`, an axis that counts from the end and so is negative.
  case dynamic(reducing: Int?)

  /// The numbers that are known: none of a dynamic scale.
  package var values: [Float] {
    switch self {
    case .perTensor(let value): [value]
    case .perChannel(let values, _): values
    case .dynamic: []
    }
  }

  package var axis: Int? {
    switch self {
    case .perTensor, .dynamic: nil
    case .perChannel(_, let axis): axis
    }
  }
}
