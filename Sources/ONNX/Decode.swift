internal import CONNX
internal import CProtobufC
internal import Support

// All of this file reads messages that libprotobuf-c has just unpacked from bytes the scanner has
// checked: every pointer is valid for its count until `free_unpacked`, every string ends in a NUL,
// and the scanner's limit on nesting bounds the recursion. Nothing read here outlives the message.

extension [UInt8] {
  /// Unpacks a message, gives it to `body`, and releases it.
  private func unpacked<Message, Result>(
    _ name: String, from range: Range<Int>,
    unpack: (
      UnsafeMutablePointer<ProtobufCAllocator>?, Int, UnsafePointer<UInt8>?
    ) -> UnsafeMutablePointer<Message>?,
    free: (UnsafeMutablePointer<Message>?, UnsafeMutablePointer<ProtobufCAllocator>?) -> Void,
    _ body: (Message) throws(Diagnostic) -> Result
  ) throws(Diagnostic) -> Result {
    let message = unsafe withUnsafeBufferPointer { bytes in
      unsafe unpack(nil, range.count, bytes.baseAddress.map { unsafe $0 + range.lowerBound })
    }
    guard let message = unsafe message else { throw .undecodable(name) }
    defer { unsafe free(message, nil) }
    return try unsafe body(message.pointee)
  }

  func node(in range: Range<Int>) throws(Diagnostic) -> NodeProto {
    try unsafe unpacked(
      "node", from: range, unpack: unsafe onnx__node_proto__unpack,
      free: unsafe onnx__node_proto__free_unpacked
    ) { (message) throws(Diagnostic) in unsafe NodeProto(message) }
  }

  func tensor(in range: Range<Int>) throws(Diagnostic) -> TensorProto {
    try unsafe unpacked(
      "tensor", from: range, unpack: unsafe onnx__tensor_proto__unpack,
      free: unsafe onnx__tensor_proto__free_unpacked
    ) { (message) throws(Diagnostic) in unsafe TensorProto(message) }
  }

  func sparseTensor(in range: Range<Int>) throws(Diagnostic) -> SparseTensorProto {
    try unsafe unpacked(
      "sparse tensor", from: range, unpack: unsafe onnx__sparse_tensor_proto__unpack,
      free: unsafe onnx__sparse_tensor_proto__free_unpacked
    ) { (message) throws(Diagnostic) in unsafe SparseTensorProto(message) }
  }

  func valueInfo(in range: Range<Int>) throws(Diagnostic) -> ValueInfoProto {
    try unsafe unpacked(
      "value", from: range, unpack: unsafe onnx__value_info_proto__unpack,
      free: unsafe onnx__value_info_proto__free_unpacked
    ) { (message) throws(Diagnostic) in unsafe ValueInfoProto(message) }
  }

  func function(in range: Range<Int>) throws(Diagnostic) -> FunctionProto {
    try unsafe unpacked(
      "function", from: range, unpack: unsafe onnx__function_proto__unpack,
      free: unsafe onnx__function_proto__free_unpacked
    ) { (message) throws(Diagnostic) in unsafe FunctionProto(message) }
  }

  func graphHeader() throws(Diagnostic) -> GraphProto {
    try unsafe unpacked(
      "graph", from: 0..<count, unpack: unsafe onnx__graph_proto__unpack,
      free: unsafe onnx__graph_proto__free_unpacked
    ) { (message) throws(Diagnostic) in unsafe GraphProto(message) }
  }

  func modelHeader() throws(Diagnostic) -> ModelProto {
    try unsafe unpacked(
      "model", from: 0..<count, unpack: unsafe onnx__model_proto__unpack,
      free: unsafe onnx__model_proto__free_unpacked
    ) { (message) throws(Diagnostic) in unsafe ModelProto(message) }
  }

  /// Appends a message as a field: tag, length, content.
  fileprivate mutating func append(
    field number: UInt64, packing message: UnsafePointer<ProtobufCMessage>
  ) {
    let size = unsafe protobuf_c_message_get_packed_size(message)
    append(varint: number << 3 | 2)
    append(varint: UInt64(size))
    self += unsafe [UInt8](unsafeUninitializedCapacity: size) { buffer, filled in
      filled = unsafe protobuf_c_message_pack(message, buffer.baseAddress)
    }
  }

  /// Appends the fields that libprotobuf-c kept without knowing them.
  fileprivate mutating func append(unknownOf message: ProtobufCMessage) {
    for index in 0..<Int(unsafe message.n_unknown_fields) {
      let field = unsafe message.unknown_fields[index]
      append(
        varint: UInt64(unsafe field.tag) << 3 | UInt64(unsafe field.wire_type.rawValue))
      unsafe append(contentsOf: UnsafeBufferPointer(start: field.data, count: field.len))
    }
  }
}

private func text(_ pointer: UnsafeMutablePointer<CChar>?) -> String {
  guard let pointer = unsafe pointer else { return "" }
  return unsafe String(cString: pointer)
}

private func bytes(_ data: ProtobufCBinaryData) -> [UInt8] {
  unsafe [UInt8](UnsafeBufferPointer(start: data.data, count: data.len))
}

private func texts(
  _ count: Int, _ items: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?
) -> [String] {
  unsafe UnsafeBufferPointer(start: items, count: count).map { unsafe text($0) }
}

private func values<Value>(_ count: Int, _ items: UnsafeMutablePointer<Value>?) -> [Value] {
  unsafe [Value](UnsafeBufferPointer(start: items, count: count))
}

private func messages<Message, Result>(
  _ count: Int, _ items: UnsafeMutablePointer<UnsafeMutablePointer<Message>?>?,
  _ make: (Message) -> Result
) -> [Result] {
  unsafe UnsafeBufferPointer(start: items, count: count).compactMap { item in
    guard let item = unsafe item else { return nil }
    return unsafe make(item.pointee)
  }
}

private func pairs(
  _ count: Int, _ items: UnsafeMutablePointer<UnsafeMutablePointer<Onnx__StringStringEntryProto>?>?
) -> [StringPair] {
  unsafe messages(count, items) { entry in
    unsafe StringPair(key: text(entry.key), value: text(entry.value))
  }
}

private func present<Message, Result>(
  _ item: UnsafeMutablePointer<Message>?, _ make: (Message) -> Result
) -> Result? {
  guard let item = unsafe item else { return nil }
  return unsafe make(item.pointee)
}

extension ModelProto {
  fileprivate init(_ message: Onnx__ModelProto) {
    irVersion = unsafe message.has_ir_version != 0 ? message.ir_version : nil
    opsetImports = unsafe messages(message.n_opset_import, message.opset_import) { item in
      unsafe OperatorSetID(domain: text(item.domain), version: item.version)
    }
    producerName = unsafe text(message.producer_name)
    producerVersion = unsafe text(message.producer_version)
    domain = unsafe text(message.domain)
    modelVersion = unsafe message.has_model_version != 0 ? message.model_version : nil
    docString = unsafe text(message.doc_string)
    metadata = unsafe pairs(message.n_metadata_props, message.metadata_props)
    for index in 0..<Int(unsafe message.n_training_info) {
      if let item = unsafe message.training_info[index] {
        unsafe unknown.append(field: 20, packing: &item.pointee.base)
      }
    }
    for index in 0..<Int(unsafe message.n_configuration) {
      if let item = unsafe message.configuration[index] {
        unsafe unknown.append(field: 26, packing: &item.pointee.base)
      }
    }
    unsafe unknown.append(unknownOf: message.base)
  }
}

extension GraphProto {
  fileprivate init(_ message: Onnx__GraphProto) {
    name = unsafe text(message.name)
    docString = unsafe text(message.doc_string)
    nodes = unsafe messages(message.n_node, message.node) { unsafe NodeProto($0) }
    initializers = unsafe messages(message.n_initializer, message.initializer) {
      unsafe TensorProto($0)
    }
    sparseInitializers = unsafe messages(
      message.n_sparse_initializer, message.sparse_initializer
    ) { unsafe SparseTensorProto($0) }
    inputs = unsafe messages(message.n_input, message.input) { unsafe ValueInfoProto($0) }
    outputs = unsafe messages(message.n_output, message.output) { unsafe ValueInfoProto($0) }
    valueInfo = unsafe messages(message.n_value_info, message.value_info) {
      unsafe ValueInfoProto($0)
    }
    metadata = unsafe pairs(message.n_metadata_props, message.metadata_props)
    for index in 0..<Int(unsafe message.n_quantization_annotation) {
      if let item = unsafe message.quantization_annotation[index] {
        unsafe unknown.append(field: 14, packing: &item.pointee.base)
      }
    }
    unsafe unknown.append(unknownOf: message.base)
  }
}

extension NodeProto {
  fileprivate init(_ message: Onnx__NodeProto) {
    inputs = unsafe texts(message.n_input, message.input)
    outputs = unsafe texts(message.n_output, message.output)
    name = unsafe text(message.name)
    opType = unsafe text(message.op_type)
    domain = unsafe text(message.domain)
    overload = unsafe text(message.overload)
    attributes = unsafe messages(message.n_attribute, message.attribute) {
      unsafe AttributeProto($0)
    }
    docString = unsafe text(message.doc_string)
    metadata = unsafe pairs(message.n_metadata_props, message.metadata_props)
    for index in 0..<Int(unsafe message.n_device_configurations) {
      if let item = unsafe message.device_configurations[index] {
        unsafe unknown.append(field: 10, packing: &item.pointee.base)
      }
    }
    unsafe unknown.append(unknownOf: message.base)
  }
}

extension AttributeProto {
  fileprivate init(_ message: Onnx__AttributeProto) {
    name = unsafe text(message.name)
    referenceName = unsafe text(message.ref_attr_name)
    docString = unsafe text(message.doc_string)
    type = unsafe message.has_type != 0 ? Int32(bitPattern: message.type.rawValue) : 0
    float = unsafe message.has_f != 0 ? message.f : nil
    int = unsafe message.has_i != 0 ? message.i : nil
    string = unsafe message.has_s != 0 ? bytes(message.s) : nil
    tensor = unsafe present(message.t) { unsafe TensorProto($0) }
    graph = unsafe present(message.g) { unsafe GraphProto($0) }
    sparseTensor = unsafe present(message.sparse_tensor) { unsafe SparseTensorProto($0) }
    typeProto = unsafe present(message.tp) { unsafe TypeProto($0) }
    floats = unsafe values(message.n_floats, message.floats)
    ints = unsafe values(message.n_ints, message.ints)
    strings = unsafe values(message.n_strings, message.strings).map { unsafe bytes($0) }
    tensors = unsafe messages(message.n_tensors, message.tensors) { unsafe TensorProto($0) }
    graphs = unsafe messages(message.n_graphs, message.graphs) { unsafe GraphProto($0) }
    sparseTensors = unsafe messages(message.n_sparse_tensors, message.sparse_tensors) {
      unsafe SparseTensorProto($0)
    }
    typeProtos = unsafe messages(message.n_type_protos, message.type_protos) {
      unsafe TypeProto($0)
    }
    unsafe unknown.append(unknownOf: message.base)
  }
}

extension TensorProto {
  fileprivate init(_ message: Onnx__TensorProto) {
    name = unsafe text(message.name)
    dims = unsafe values(message.n_dims, message.dims)
    dataType = unsafe message.has_data_type != 0 ? message.data_type : 0
    docString = unsafe text(message.doc_string)
    if unsafe message.has_raw_data != 0 {
      // The scanner put the payload's index here.
      var index = 0
      for (position, byte) in unsafe bytes(message.raw_data).enumerated() {
        index |= Int(byte) << (8 * position)
      }
      data = .payload(index, field: 0, length: 0)
    }
    strings = unsafe values(message.n_string_data, message.string_data).map { unsafe bytes($0) }
    externalData = unsafe pairs(message.n_external_data, message.external_data)
    isExternal = unsafe message.has_data_location != 0 && message.data_location.rawValue == 1
    metadata = unsafe pairs(message.n_metadata_props, message.metadata_props)
    if let segment = unsafe message.segment {
      unsafe unknown.append(field: 3, packing: &segment.pointee.base)
    }
    unsafe unknown.append(unknownOf: message.base)
  }
}

extension SparseTensorProto {
  fileprivate init(_ message: Onnx__SparseTensorProto) {
    self.init()
    values = unsafe present(message.values) { unsafe TensorProto($0) }
    indices = unsafe present(message.indices) { unsafe TensorProto($0) }
    dims = unsafe UnsafeBufferPointer(start: message.dims, count: message.n_dims).map { $0 }
    unsafe unknown.append(unknownOf: message.base)
  }
}

extension ValueInfoProto {
  fileprivate init(_ message: Onnx__ValueInfoProto) {
    name = unsafe text(message.name)
    type = unsafe present(message.type) { unsafe TypeProto($0) }
    docString = unsafe text(message.doc_string)
    metadata = unsafe pairs(message.n_metadata_props, message.metadata_props)
    unsafe unknown.append(unknownOf: message.base)
  }
}

extension TypeProto {
  fileprivate init(_ message: Onnx__TypeProto) {
    var message = unsafe message
    if unsafe message.value_case == ONNX__TYPE_PROTO__VALUE__NOT_SET {
      self = .other([], lacksElement: false)
      return
    }
    let isPlain = unsafe message.denotation == nil && message.base.n_unknown_fields == 0
    switch (unsafe message.value_case, isPlain) {
    case (ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE, true):
      if let tensor = unsafe message.tensor_type, let shape = unsafe shape(tensor.pointee.shape) {
        self = .tensor(element: unsafe tensor.pointee.elem_type, shape: shape.dimensions)
        return
      }
    case (ONNX__TYPE_PROTO__VALUE_SPARSE_TENSOR_TYPE, true):
      if let tensor = unsafe message.sparse_tensor_type,
        let shape = unsafe shape(tensor.pointee.shape)
      {
        self = .sparse(element: unsafe tensor.pointee.elem_type, shape: shape.dimensions)
        return
      }
    case (ONNX__TYPE_PROTO__VALUE_SEQUENCE_TYPE, true):
      if let sequence = unsafe message.sequence_type {
        self = .sequence(unsafe present(sequence.pointee.elem_type) { unsafe TypeProto($0) })
        return
      }
    case (ONNX__TYPE_PROTO__VALUE_OPTIONAL_TYPE, true):
      if let item = unsafe message.optional_type {
        self = .optional(unsafe present(item.pointee.elem_type) { unsafe TypeProto($0) })
        return
      }
    case (ONNX__TYPE_PROTO__VALUE_MAP_TYPE, true):
      if let map = unsafe message.map_type {
        self = .map(
          key: unsafe map.pointee.key_type,
          value: unsafe present(map.pointee.value_type) { unsafe TypeProto($0) })
        return
      }
    default: break
    }
    let element =
      switch unsafe message.value_case {
      case ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE: unsafe message.tensor_type?.pointee.elem_type
      case ONNX__TYPE_PROTO__VALUE_SPARSE_TENSOR_TYPE:
        unsafe message.sparse_tensor_type?.pointee.elem_type
      default: Int32?.none
      }
    self = .other(unsafe TypeProto.packed(&message), lacksElement: element == 0)
  }

  /// The bytes of the whole message: a pointer to its base alone would reach a copy of that.
  private static func packed(_ message: inout Onnx__TypeProto) -> [UInt8] {
    unsafe withUnsafeMutableBytes(of: &message) { bytes in
      let base = unsafe bytes.baseAddress?.assumingMemoryBound(to: ProtobufCMessage.self)
      let size = unsafe protobuf_c_message_get_packed_size(base)
      return unsafe [UInt8](unsafeUninitializedCapacity: size) { buffer, filled in
        filled = unsafe protobuf_c_message_pack(base, buffer.baseAddress)
      }
    }
  }
}

/// A shape's dimensions; `nil` where one carries more than this target models.
private func shape(
  _ pointer: UnsafeMutablePointer<Onnx__TensorShapeProto>?
) -> (dimensions: [DimensionProto]?, Void)? {
  guard let pointer = unsafe pointer else { return (nil, ()) }
  var isPlain = true
  let dimensions = unsafe messages(pointer.pointee.n_dim, pointer.pointee.dim) {
    dimension -> DimensionProto in
    if unsafe dimension.denotation != nil { isPlain = false }
    switch unsafe dimension.value_case {
    case ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE:
      return .value(unsafe dimension.dim_value)
    case ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_PARAM:
      return .parameter(unsafe text(dimension.dim_param))
    default: return .unknown
    }
  }
  return isPlain ? (dimensions, ()) : nil
}

extension FunctionProto {
  fileprivate init(_ message: Onnx__FunctionProto) {
    name = unsafe text(message.name)
    domain = unsafe text(message.domain)
    overload = unsafe text(message.overload)
    inputs = unsafe texts(message.n_input, message.input)
    outputs = unsafe texts(message.n_output, message.output)
    attributes = unsafe texts(message.n_attribute, message.attribute)
    attributeProtos = unsafe messages(message.n_attribute_proto, message.attribute_proto) {
      unsafe AttributeProto($0)
    }
    nodes = unsafe messages(message.n_node, message.node) { unsafe NodeProto($0) }
    docString = unsafe text(message.doc_string)
    opsetImports = unsafe messages(message.n_opset_import, message.opset_import) { item in
      unsafe OperatorSetID(domain: text(item.domain), version: item.version)
    }
    valueInfo = unsafe messages(message.n_value_info, message.value_info) {
      unsafe ValueInfoProto($0)
    }
    metadata = unsafe pairs(message.n_metadata_props, message.metadata_props)
    unsafe unknown.append(unknownOf: message.base)
  }
}
